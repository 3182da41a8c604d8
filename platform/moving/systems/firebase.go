package systems

import (
	"bufio"

	"guildhall/platform/moving"
)

// firebase reads users as `firebase auth:export` writes them, in JSON or in CSV. Firebase has
// no organizations. The parameters of the hashes are the project's, and come from flags.
// External ids are Firebase's.
var firebase = System{Name: "firebase", HashForm: "firebase", files: func(Options) reader { return firebaseReader{} }}

type firebaseReader struct{ alone }

// firebaseColumns are the columns of a CSV file, which has no line with their names. Between
// the first and the later ones are four for each provider, of which the first is an id.
var firebaseColumns = []string{
	"localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl",
	"google", "", "", "", "facebook", "", "", "", "twitter", "", "", "", "github", "", "", "",
	"createdAt", "lastSignedInAt", "phoneNumber", "disabled", "customAttributes",
	"apple", "", "", "", "microsoft", "", "", "", "gamecenter", "", "", "", "playgames", "", "", "", "linkedin", "", "", "", "yahoo",
}

func (firebaseReader) rows(in *bufio.Reader, take moving.Take) error {
	user := func(n int64, r record) error {
		if firebaseAnonymous(r) {
			return nil
		}
		return take(n, firebasePerson(r))
	}
	first, err := firstOf(in)
	switch {
	case err != nil:
		return err
	case first == '{':
		return members(in, map[string]func(int64, record) error{"users": user})
	default:
		return table(in, firebaseColumns, user)
	}
}

// firebaseAnonymous reports whether nothing says whose the account is.
func firebaseAnonymous(r record) bool {
	return r.first("email", "phoneNumber", "google", "facebook", "twitter", "github", "apple", "microsoft", "gamecenter", "playgames", "linkedin", "yahoo") == "" &&
		len(r.list("providerUserInfo")) == 0
}

func firebasePerson(r record) *moving.Row {
	p := person(r.text("email"), r.text("displayName"))
	p.ExternalID, p.EmailVerified, p.CreatedAt = r.optional("localId"), new(r.is("emailVerified")), r.moment("createdAt")
	p.AvatarURL, p.PasswordHash, p.PasswordSalt = avatar(r.text("photoUrl")), r.optional("passwordHash"), r.optional("salt")
	if r.is("disabled") {
		stand(p, "deactivated")
	}
	return p
}
