package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// refresh replaces the live refresh token of a session by the next one.
func (s *server) refresh(c *gin.Context) {
	var in struct {
		Token string `json:"refresh_token"`
	}
	if err := c.BindJSON(&in); err != nil {
		return
	}
	claims, err := parse(in.Token, "rt+jwt", refreshKey)
	if err != nil {
		refuse(c, errRefused)
		return
	}
	moved, err := s.rotate(c, claims)
	if err != nil {
		refuse(c, err)
		return
	}
	respond(c, http.StatusOK, moved)
}

func respond(c *gin.Context, status int, v session) {
	t, err := v.issue()
	if err != nil {
		refuse(c, err)
		return
	}
	answer(c, status, t)
}

func (s *server) rotate(c *gin.Context, claims claims) (v session, err error) {
	ctx, at := background, now()
	v = session{ID: claims.SessionID, UserID: claims.Subject, Generation: claims.Generation + 1, RotatedAt: at}
	args := []any{at, c.ClientIP(), c.Request.UserAgent(), v.ID, v.UserID, claims.Generation}
	var bits int
	if s.postgres {
		err = s.statements["rotate"].QueryRowContext(ctx, args...).Scan(&bits, &v.OrganizationID, &v.Expires, &v.Email, &v.Name)
	} else {
		err = s.inTx(ctx, func(tx *sql.Tx) error {
			if err := tx.Stmt(s.written["advance"]).QueryRow(args...).Scan(&v.OrganizationID, &v.Expires); err != nil {
				return err
			}
			var created, updated time.Time
			var bio, avatar, locale, organization *string
			var verified bool
			return tx.Stmt(s.written["me"]).QueryRow(v.UserID, v.ID, v.OrganizationID, at).
				Scan(&bits, &v.Email, &v.Name, &bio, &avatar, &verified, &locale, &created, &updated, &organization)
		})
	}
	if err != nil {
		return v, err
	}
	if bits&accountActive == 0 || bits&(accountSuspended|accountArchived) != 0 || v.OrganizationID != nil && bits&isMember == 0 {
		return v, errRefused
	}
	return v, nil
}

// event is one audit event, in the format of guildhall's platform/audit.
type event struct {
	chain, action, role, requestID string
	organization, user             *string
	actor, session                 *string
	details                        string
}

// link computes the columns of an event that follows the last one of its chain.
func (e event) link(c *gin.Context, sequence int64, before string, at time.Time) (args []any, hash string) {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	id, address, client := newID(), c.ClientIP(), c.Request.UserAgent()
	line, _ := json.Marshal([]string{
		before, e.chain, strconv.FormatInt(sequence, 10), id, at.Format(time.RFC3339Nano), e.action,
		text(e.organization), text(e.user), text(e.actor), e.role, text(e.session), address, client, e.requestID, e.details,
	})
	sum := sha256.Sum256(line)
	hash = hex.EncodeToString(sum[:])
	return []any{
		e.chain, sequence, id, at, e.action, e.organization, e.user, e.actor, e.role,
		e.session, address, client, e.requestID, e.details, hash,
	}, hash
}

// record adds events to the end of one chain.
func (s *server) record(c *gin.Context, tx *sql.Tx, at time.Time, events ...event) error {
	var sequence int64
	var hash string
	chain := events[0].chain
	err := tx.Stmt(s.written["chain"]).QueryRow(chain).Scan(&sequence, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.Stmt(s.written["new chain"]).Exec(chain, at)
	}
	if err != nil {
		return err
	}
	for _, e := range events {
		sequence++
		var args []any
		args, hash = e.link(c, sequence, hash, at)
		if _, err := tx.Stmt(s.written["record"]).Exec(args...); err != nil {
			return err
		}
	}
	_, err = tx.Stmt(s.written["chain on"]).Exec(sequence, hash, chain)
	return err
}

// change is a change of a membership, under the organization's lock.
type change struct {
	organizationID, userID string
	who                    claims
	bits                   int // the caller's
	sequence               int64
	hash                   string
	at                     time.Time
}

func (s *server) changing(c *gin.Context, userID string, fn func(context.Context, *sql.Tx, *change) error) error {
	ctx := background
	who, err := bearer(c.Request)
	if err != nil {
		return err
	}
	w := &change{organizationID: c.Param("organization_id"), userID: userID, who: who, at: now()}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if s.postgres {
			if _, err := tx.StmtContext(ctx, s.written["lock"]).ExecContext(ctx, w.organizationID); err != nil {
				return err
			}
		}
		return fn(ctx, tx, w)
	})
}

func (w *change) event(action string) event {
	return event{
		chain: w.organizationID, action: action, role: role(w.bits), requestID: newID(),
		organization: &w.organizationID, user: &w.userID, actor: &w.who.Subject, session: &w.who.SessionID, details: "{}",
	}
}

func (s *server) add(c *gin.Context) {
	var in struct {
		UserID string `json:"user_id"`
	}
	if err := c.BindJSON(&in); err != nil {
		return
	}
	var joined time.Time
	err := s.changing(c, in.UserID, func(_ context.Context, tx *sql.Tx, w *change) error {
		joined = w.at
		if s.postgres {
			return s.addAtOnce(c, tx, w)
		}
		if err := tx.Stmt(s.written["standing"]).QueryRow(w.who.Subject, w.who.SessionID, w.organizationID, w.at).Scan(&w.bits); err != nil {
			return err
		}
		var found string
		if err := tx.Stmt(s.written["account"]).QueryRow(w.userID).Scan(&found); err != nil {
			return err
		}
		if !may(w.bits, true) {
			return errRefused
		}
		if _, err := tx.Stmt(s.written["join"]).Exec(w.organizationID, w.userID, w.at); err != nil {
			return err
		}
		if _, err := tx.Stmt(s.written["welcome"]).Exec(newID(), w.at, w.userID, w.organizationID); err != nil {
			return err
		}
		return s.record(c, tx, w.at, w.event("member.added"))
	})
	if err != nil {
		refuse(c, err)
		return
	}
	answer(c, http.StatusCreated, gin.H{"organization_id": c.Param("organization_id"), "user_id": in.UserID, "role": "member", "joined_at": joined, "standing": "good"})
}

func (s *server) remove(c *gin.Context) {
	err := s.changing(c, c.Param("user_id"), func(_ context.Context, tx *sql.Tx, w *change) error {
		if s.postgres {
			return s.removeAtOnce(c, tx, w)
		}
		if err := tx.Stmt(s.written["standing"]).QueryRow(w.who.Subject, w.who.SessionID, w.organizationID, w.at).Scan(&w.bits); err != nil {
			return err
		}
		var target int
		if err := tx.Stmt(s.written["target"]).QueryRow(w.organizationID, w.userID).Scan(&target); err != nil {
			return err
		}
		if !may(w.bits, true) || target >= w.bits&(isAdmin|isOwner) {
			return errRefused
		}
		if _, err := tx.Stmt(s.written["leave"]).Exec(w.organizationID, w.userID); err != nil {
			return err
		}
		return s.record(c, tx, w.at, w.event("member.removed"))
	})
	if err != nil {
		refuse(c, err)
		return
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
}

// On PostgreSQL, one statement reads everything and one writes everything.
func (s *server) addAtOnce(c *gin.Context, tx *sql.Tx, w *change) error {
	var found bool
	err := tx.Stmt(s.written["before adding"]).QueryRow(w.who.Subject, w.who.SessionID, w.organizationID, w.at, w.userID).
		Scan(&w.bits, &found, &w.sequence, &w.hash)
	if err != nil || !found || !may(w.bits, true) {
		return orRefused(err)
	}
	args, _ := w.event("member.added").link(c, w.sequence+1, w.hash, w.at)
	_, err = tx.Stmt(s.written["add at once"]).Exec(append(args, newID())...)
	return err
}

func (s *server) removeAtOnce(c *gin.Context, tx *sql.Tx, w *change) error {
	var target int
	err := tx.Stmt(s.written["before removing"]).QueryRow(w.who.Subject, w.who.SessionID, w.organizationID, w.at, w.userID).
		Scan(&w.bits, &target, &w.sequence, &w.hash)
	if err != nil || !may(w.bits, true) || target == 0 || target >= w.bits&(isAdmin|isOwner) {
		return orRefused(err)
	}
	args, _ := w.event("member.removed").link(c, w.sequence+1, w.hash, w.at)
	_, err = tx.Stmt(s.written["remove at once"]).Exec(args...)
	return err
}
