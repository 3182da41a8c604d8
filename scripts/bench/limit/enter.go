package main

import (
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/argon2"
)

// hash is argon2id at guildhall's parameters, at most one at a time on each core.
func (s *server) hash(password string, salt []byte) []byte {
	s.hashing <- struct{}{}
	defer func() { <-s.hashing }()
	return argon2.IDKey([]byte(password), salt, 5, 7168, 1, 32)
}

// argon2id hashes one password: no operation with a password can be faster.
func (s *server) argon2id(c *gin.Context) {
	s.hash("correct horse battery staple", make([]byte, 16))
	answer(c, http.StatusOK, gin.H{"status": "ok"})
}

func (s *server) matches(encoded, password string) bool {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[3] != "m=7168,t=5,p=1" {
		return false
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(parts[4])
	key, errKey := base64.RawStdEncoding.DecodeString(parts[5])
	return errSalt == nil && errKey == nil && subtle.ConstantTimeCompare(s.hash(password, salt), key) == 1
}

func (s *server) logIn(c *gin.Context) {
	var in struct{ Username, Password string }
	if err := c.BindJSON(&in); err != nil {
		return
	}
	ctx := background
	var v session
	var hash, current string
	err := s.statements["person"].QueryRowContext(ctx, strings.ToLower(in.Username)).Scan(&v.UserID, &v.Email, &v.Name, &hash)
	if err != nil || !s.matches(hash, in.Password) {
		refuse(c, orRefused(err))
		return
	}
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		at := now()
		if s.postgres {
			if _, err := tx.Stmt(s.written["lock person"]).Exec(v.UserID); err != nil {
				return err
			}
		}
		var bits int
		if err := tx.Stmt(s.written["hash"]).QueryRow(v.UserID).Scan(&current); err != nil || current != hash {
			return orRefused(err)
		}
		if err := tx.Stmt(s.written["standing"]).QueryRow(v.UserID, nobody, nil, at).Scan(&bits); err != nil {
			return err
		}
		if bits&accountActive == 0 || bits&(accountSuspended|accountArchived) != 0 {
			return errRefused
		}
		if err := tx.Stmt(s.written["preferred"]).QueryRow(v.UserID, at).Scan(&v.OrganizationID); err != nil {
			return err
		}
		if err := s.begin(c, tx, &v, at); err != nil {
			return err
		}
		return s.record(c, tx, at, v.started())
	})
	if err != nil {
		refuse(c, err)
		return
	}
	respond(c, http.StatusOK, v)
}

func (s *server) begin(c *gin.Context, tx *sql.Tx, v *session, at time.Time) error {
	v.ID, v.Generation, v.RotatedAt, v.Expires = newID(), 1, at, at.Add(refreshTTL)
	_, err := tx.Stmt(s.written["begin session"]).Exec(v.ID, v.UserID, v.OrganizationID, at, v.Expires, c.ClientIP(), c.Request.UserAgent())
	return err
}

func (s session) started() event {
	return event{
		chain: s.UserID, action: "session.started", role: "user", requestID: newID(),
		user: &s.UserID, actor: &s.UserID, details: `{"session_id":"` + s.ID + `"}`,
	}
}

func (s *server) register(c *gin.Context) {
	var in struct{ Email, Password, Name string }
	if err := c.BindJSON(&in); err != nil {
		return
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	hash := fmt.Sprintf("$argon2id$v=%d$m=7168,t=5,p=1$%s$%s", argon2.Version,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(s.hash(in.Password, salt)))
	organizationID := newID()
	v := session{UserID: newID(), OrganizationID: &organizationID, Email: in.Email, Name: in.Name}
	err := s.inTx(background, func(tx *sql.Tx) error {
		at := now()
		if err := s.write(tx, append([]statement{
			{"new user", []any{v.UserID, in.Email, strings.ToLower(in.Email), at}},
			{"new profile", []any{v.UserID, in.Name}},
			{"activate", []any{newID(), v.UserID, at}},
			{"new hash", []any{v.UserID, hash, at}},
		}, ofOrganization(organizationID, v.UserID, in.Name+"'s Organization", at)...)); err != nil {
			return err
		}
		if err := s.begin(c, tx, &v, at); err != nil {
			return err
		}
		registered, founded := v.started(), v.started()
		registered.action, registered.details = "user.registered", "{}"
		founded.action, founded.details, founded.organization, founded.chain = "organization.created", "{}", &organizationID, organizationID
		if err := s.record(c, tx, at, registered, v.started()); err != nil {
			return err
		}
		return s.record(c, tx, at, founded)
	})
	if err != nil {
		refuse(c, err)
		return
	}
	respond(c, http.StatusCreated, v)
}

type statement struct {
	name string
	args []any
}

func (s *server) write(tx *sql.Tx, all []statement) error {
	for _, one := range all {
		if _, err := tx.Stmt(s.written[one.name]).Exec(one.args...); err != nil {
			return err
		}
	}
	return nil
}

// ofOrganization returns the statements that create an organization.
func ofOrganization(id, owner, name string, at time.Time) []statement {
	return []statement{
		{"found", []any{id, name, at}},
		{"open", []any{newID(), id, at, owner}},
		{"join", []any{id, owner, at}},
		{"own", []any{id, owner, at}},
		{"welcome", []any{newID(), at, owner, id}},
	}
}

func (s *server) found(c *gin.Context) {
	var in struct{ Name string }
	if err := c.BindJSON(&in); err != nil {
		return
	}
	who, bits, err := s.allowed(background, c.Request, nil)
	if err != nil || !signedIn(bits) {
		refuse(c, orRefused(err))
		return
	}
	id, at := newID(), now()
	err = s.inTx(background, func(tx *sql.Tx) error {
		if err := s.write(tx, ofOrganization(id, who.Subject, in.Name, at)); err != nil {
			return err
		}
		return s.record(c, tx, at, event{
			chain: id, action: "organization.created", role: "user", requestID: newID(), details: "{}",
			organization: &id, user: &who.Subject, actor: &who.Subject, session: &who.SessionID,
		})
	})
	if err != nil {
		refuse(c, err)
		return
	}
	answer(c, http.StatusCreated, organization{ID: id, Name: in.Name, IsActive: true, CreatedAt: at, UpdatedAt: at})
}
