package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/database"
	"guildhall/platform/mail"
	"guildhall/platform/token"
)

// purpose is what a person proves with a challenge.
type purpose string

const (
	forLogIn         purpose = "log_in"
	forRegistration  purpose = "register"
	forPasswordReset purpose = "reset_password" //nolint:gosec // a name
	forVerification  purpose = "verify_email"
	forEmailChange   purpose = "change_email"
	forStepUp        purpose = "step_up"
	forSecondFactor  purpose = "second_factor" // a log-in that needs one more proof
	forRecovery      purpose = "recover_factors"
	recovering       purpose = "recovering_factors" // until its delay is over: see recovery.go
	forDisavowal     purpose = "disavow"
	forPasskey       purpose = "enrol_passkey"      //nolint:gosec // a name
	forPasskeyLogIn  purpose = "log_in_by_passkey"  //nolint:gosec // a name
	forPasskeyStepUp purpose = "step_up_by_passkey" //nolint:gosec // a name
	forIdentity      purpose = "link_identity"
	forProviderLogIn purpose = "log_in_by_provider"
	forSetUp         purpose = "set_up" // of the service, by its first administrator
)

// lifetimes are how long challenges can be answered.
var lifetimes = map[purpose]time.Duration{
	forLogIn:         10 * time.Minute,
	forRegistration:  time.Hour,
	forPasswordReset: time.Hour,
	forVerification:  24 * time.Hour,
	forEmailChange:   time.Hour,
	forStepUp:        10 * time.Minute,
	forSecondFactor:  5 * time.Minute,
	forRecovery:      time.Hour,
	forDisavowal:     disavowal,
	forPasskey:       5 * time.Minute,
	forPasskeyLogIn:  5 * time.Minute,
	forPasskeyStepUp: 5 * time.Minute,
	forIdentity:      10 * time.Minute,
	forProviderLogIn: 10 * time.Minute,
	forSetUp:         24 * time.Hour,
}

// disavowal is how long a person can disavow a change that a mail told them about.
const disavowal = 72 * time.Hour

// linkPaths are the pages that the links in mails open, under PUBLIC_URL or APP_URL.
var linkPaths = map[purpose]string{
	forLogIn:         "/account/log-in",
	forPasswordReset: "/account/reset",
	forVerification:  "/account/verify",
	forEmailChange:   "/account/verify",
	forDisavowal:     "/account/disavow",
}

// mostAttempts is how many codes can be tried for a challenge.
const mostAttempts = 5

// challenge is a row of the table: a question that a person answers with a code from a
// mail, with the link in it, or with a second factor.
type challenge struct {
	id        uuid.UUID
	purpose   purpose
	userID    uuid.NullUUID // invalid for an address without an account
	sessionID uuid.NullUUID // of the caller who asked, if signed in
	email     string        // canonical; the limits count by it
	codeMAC   string
	payload   string
	expires   time.Time
	attempts  int // how many answers were tried, with this one
}

// question is a challenge to be asked.
type question struct {
	id        uuid.UUID // zero for a new one
	purpose   purpose
	userID    uuid.NullUUID
	sessionID uuid.NullUUID
	email     string // canonical
	payload   any    // encrypted with the challenge; nil for none
	mail      mail.Mail
	lasts     time.Duration // zero: as long as its purpose says
	byLink    bool          // the mail has a link
	byCode    bool          // the mail has a code, which is worthless without the token
	byToken   bool          // no mail answers it: whoever has the token does, by another proof
}

// ask stores a challenge and the mail that answers it, if any, in one transaction. It returns
// what the client needs.
//
// Only hashes are stored. The code has few digits, so its hash is keyed by the token: a
// copy of the database does not give it away.
func (svc *Service) ask(ctx context.Context, q question) (challengeView, error) {
	now := svc.now()
	if q.lasts == 0 {
		q.lasts = lifetimes[q.purpose]
	}
	c := challenge{id: q.id, purpose: q.purpose, userID: q.userID, sessionID: q.sessionID, email: q.email, expires: now.Add(q.lasts)}
	if c.id == uuid.Nil {
		c.id = uuid.Must(uuid.NewV7())
	}
	var challengeToken string
	var tokenHash, linkHash, codeMAC, payload *string
	q.mail.NotAfter, q.mail.Data.Expires, q.mail.Data.At = c.expires, c.expires, now
	if q.byCode || q.byToken {
		challengeToken = token.NewSecret()
		tokenHash = new(token.HashSecret(challengeToken))
	}
	if q.byCode {
		code, err := newCode()
		if err != nil {
			return challengeView{}, err
		}
		codeMAC = new(macOf(challengeToken, code))
		q.mail.Data.Code = code[:4] + " " + code[4:]
	}
	if q.byLink {
		secret := token.NewSecret()
		linkHash = new(token.HashSecret(secret))
		q.mail.Data.Link = token.Link(svc.options.LinkBase+linkPaths[q.purpose], secret)
	}
	if q.payload != nil {
		encoded, err := json.Marshal(q.payload)
		if err != nil {
			return challengeView{}, err
		}
		sealed, err := svc.sealer.Seal(encoded, c.id.String())
		if err != nil {
			return challengeView{}, err
		}
		payload = &sealed
	}
	err := svc.db.InTx(ctx, func(ctx context.Context) error {
		err := svc.db.Queue(ctx, `INSERT INTO challenges (id, purpose, user_id, session_id, email_canonical, token_hash, link_hash, code_mac, payload, attempts, created_at, expires_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`,
			c.id, c.purpose, c.userID, c.sessionID, c.email, tokenHash, linkHash, codeMAC, payload, now, c.expires)
		if err != nil {
			return fmt.Errorf("store a challenge: %w", err)
		}
		if q.byToken {
			return nil
		}
		return svc.mail.Send(ctx, q.mail)
	})
	return challengeView{ChallengeToken: challengeToken, ExpiresIn: int(q.lasts.Seconds())}, err
}

func newCode() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%08d", n), nil
}

func macOf(token, code string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(code))
	return hex.EncodeToString(mac.Sum(nil))
}

// proof is how a client answers a challenge: with a code and the token that it got, or with
// the link from the mail.
type proof struct {
	token, code string
	link        string
}

// answer returns the challenge that a proof answers, for one of these purposes. Every other
// proof gets the same refusal (invalid_challenge). Each code counts before it is compared,
// against the challenge and against the address, so that neither parallel requests nor new
// challenges allow more guesses. A link can't be guessed and is not counted. The challenge
// stays open until consume.
func (svc *Service) answer(ctx context.Context, p proof, purposes ...purpose) (c challenge, err error) {
	if p.link != "" {
		c, err = svc.store.challengeByLink(ctx, token.HashSecret(p.link), svc.now())
	} else {
		c, err = svc.store.attempt(ctx, token.HashSecret(p.token), svc.now())
	}
	switch {
	case err != nil:
		return c, err
	case !slices.Contains(purposes, c.purpose): // mutant: challenge-purpose
		return c, errInvalidChallenge
	case p.link != "":
		return c, nil
	}
	if err := svc.limits.code(ctx, c.email); err != nil { // mutant: code-budget
		return c, err
	}
	if !hmac.Equal([]byte(macOf(p.token, p.code)), []byte(c.codeMAC)) {
		return c, errInvalidChallenge
	}
	return c, nil
}

// consume ends a challenge, within the transaction of what it allows. Of several requests
// with the same proof, one succeeds (invalid_challenge).
func (svc *Service) consume(ctx context.Context, c challenge) error {
	n, err := svc.db.Exec(ctx, "UPDATE challenges SET consumed_at = ?, payload = NULL WHERE id = ? AND consumed_at IS NULL", svc.now(), c.id) // mutant: consume-once
	switch {
	case err != nil:
		return fmt.Errorf("consume a challenge: %w", err)
	case n == 0:
		return errInvalidChallenge
	default:
		return svc.limits.codeAccepted(ctx, c.email)
	}
}

// open decodes what was stored with a challenge.
func (svc *Service) open(c challenge, into any) error {
	text, err := svc.sealer.Open(c.payload, c.id.String())
	if err != nil {
		return fmt.Errorf("open a challenge: %w", err)
	}
	return json.Unmarshal(text, into)
}

// endChallenges ends the open challenges of a person. Disavowals stay: they are how the
// person undoes what a thief did.
func (s *store) endChallenges(ctx context.Context, userID uuid.UUID, now time.Time) error {
	err := s.db.Queue(ctx, "UPDATE challenges SET consumed_at = ?, payload = NULL WHERE user_id = ? AND consumed_at IS NULL AND purpose <> ?", now, userID, forDisavowal)
	if err != nil {
		return fmt.Errorf("end challenges: %w", err)
	}
	return nil
}

// disavowalID returns an id that follows those of the person's disavowals, also if another
// replica made them and its clock is ahead. The caller must have locked the account.
func (s *store) disavowalID(ctx context.Context, userID uuid.UUID) (id uuid.UUID, err error) {
	var last uuid.UUID
	id = uuid.Must(uuid.NewV7())
	err = s.db.Row(ctx, "SELECT id FROM challenges WHERE user_id = ? AND consumed_at IS NULL AND purpose = ? ORDER BY id DESC LIMIT 1", userID, forDisavowal).Scan(&last)
	if err != nil && !database.IsNotFound(err) {
		return id, fmt.Errorf("find the last disavowal: %w", err)
	}
	if bytes.Compare(id[:], last[:]) <= 0 { // mutant: disavowal-order
		id = last
		binary.BigEndian.PutUint64(id[8:], binary.BigEndian.Uint64(last[8:])+1)
	}
	return id, nil
}

// endLaterDisavowals ends the disavowals of a person since the given one: they undo changes
// that it has undone, and whoever made these has their links.
func (s *store) endLaterDisavowals(ctx context.Context, c challenge, now time.Time) error {
	err := s.db.Queue(ctx, "UPDATE challenges SET consumed_at = ?, payload = NULL WHERE user_id = ? AND consumed_at IS NULL AND id > ?", now, c.userID, c.id) // mutant: later-disavowals
	if err != nil {
		return fmt.Errorf("end disavowals: %w", err)
	}
	return nil
}

const challengeColumns = "id, purpose, user_id, session_id, email_canonical, COALESCE(code_mac, ''), COALESCE(payload, ''), expires_at, attempts"

// attempt counts an attempt for an open challenge and returns it.
func (s *store) attempt(ctx context.Context, tokenHash string, now time.Time) (c challenge, err error) {
	// mutant: attempt-first
	return c, foundChallenge(s.db.WriteRow(ctx, c.into(), `UPDATE challenges SET attempts = attempts + 1
		WHERE token_hash = ? AND consumed_at IS NULL AND attempts < ? AND expires_at > ?
		RETURNING `+challengeColumns, tokenHash, mostAttempts, now))
}

// challengeByLink returns the open challenge of a link.
func (s *store) challengeByLink(ctx context.Context, linkHash string, now time.Time) (c challenge, err error) {
	return c, foundChallenge(s.db.Row(database.OnPrimary(ctx), `SELECT `+challengeColumns+` FROM challenges
		WHERE link_hash = ? AND consumed_at IS NULL AND expires_at > ?`, linkHash, now).Scan(c.into()...))
}

func (c *challenge) into() []any {
	return []any{&c.id, &c.purpose, &c.userID, &c.sessionID, &c.email, &c.codeMAC, &c.payload, &c.expires, &c.attempts}
}

func foundChallenge(err error) error {
	if database.IsNotFound(err) {
		return errInvalidChallenge
	}
	if err != nil {
		return fmt.Errorf("find a challenge: %w", err)
	}
	return nil
}
