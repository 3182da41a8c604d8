// Command limit is the program that scripts/bench compares guildhall with. It answers the
// same requests from the same tables with only Gin, golang-jwt, database/sql and handwritten
// SQL. On SQLite, writes share a commit. It checks tokens and standing completely, and writes
// the same rows, including the audit log. It is not a service: it answers every refusal with
// 400 and no reason, and has no rate limits, logs, metrics, standbys or idempotency keys.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/mattn/go-sqlite3"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

type server struct {
	postgres      bool
	reads, writes *sql.DB
	statements    map[string]*sql.Stmt // for reads; on PostgreSQL for all
	written       map[string]*sql.Stmt // on SQLite, prepared on its one writer
	hashing       chan struct{}        // one slot for each core
	group         group
}

func run() error {
	url := os.Getenv("DATABASE_URL")
	s := &server{group: group{turn: make(chan struct{}, 1)}, hashing: make(chan struct{}, runtime.GOMAXPROCS(0)), statements: map[string]*sql.Stmt{}, written: map[string]*sql.Stmt{}}
	most, err := strconv.Atoi(orElse(os.Getenv("DATABASE_MAX_CONNECTIONS"), "10"))
	if err != nil {
		return err
	}
	if path, isSQLite := strings.CutPrefix(url, "sqlite://"); isSQLite {
		const common = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_foreign_keys=on"
		if s.writes, err = sql.Open("sqlite3", "file:"+path+common+"&_txlock=immediate"); err != nil {
			return err
		}
		s.writes.SetMaxOpenConns(1)
		if s.reads, err = sql.Open("sqlite3", "file:"+path+common+"&_query_only=1"); err != nil {
			return err
		}
		most = max(4, 2*runtime.GOMAXPROCS(0)) // as guildhall has
	} else {
		s.postgres = true
		if s.writes, err = sql.Open("pgx", url); err != nil {
			return err
		}
		s.reads = s.writes
	}
	s.reads.SetMaxOpenConns(most)
	s.reads.SetMaxIdleConns(most)
	for name, text := range texts(s.postgres) {
		if s.statements[name], err = s.reads.Prepare(text); err != nil {
			return errors.Join(errors.New(name), err)
		}
		s.written[name] = s.statements[name]
		if !s.postgres {
			if s.written[name], err = s.writes.Prepare(text); err != nil {
				return errors.Join(errors.New(name), err)
			}
		}
	}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.GET("/livez", func(c *gin.Context) { answer(c, http.StatusOK, gin.H{"status": "ok"}) })
	e.GET("/readyz", func(c *gin.Context) { answer(c, http.StatusOK, gin.H{"status": "ready"}) })
	e.POST("/argon2id", s.argon2id)
	v1 := e.Group("/api/v1")
	v1.POST("/auth/token", s.logIn)
	v1.POST("/auth/register", s.register)
	v1.POST("/auth/refresh", s.refresh)
	v1.GET("/auth/me", s.me)
	v1.GET("/organizations", s.organizations)
	v1.POST("/organizations", s.found)
	v1.GET("/organizations/:organization_id", s.organization)
	v1.GET("/organizations/:organization_id/members", s.members)
	v1.POST("/organizations/:organization_id/members", s.add)
	v1.DELETE("/organizations/:organization_id/members/:user_id", s.remove)
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Getenv("PORT")))
	if err != nil {
		return err
	}
	return server.Serve(listener)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// inTx runs a transaction: on SQLite in a group, because each one costs a lock and an fsync;
// on PostgreSQL only for what one statement can't do.
func (s *server) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if !s.postgres {
		return s.group.do(ctx, s.writes, fn)
	}
	tx, err := s.writes.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect once committed
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func answer(c *gin.Context, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		refuse(c, err)
		return
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(encoded)
}

var errRefused = errors.New("refused")

func refuse(c *gin.Context, err error) {
	if !errors.Is(err, errRefused) {
		log.Print(err)
	}
	c.Status(http.StatusBadRequest)
}

// now returns the time to the microsecond, as both databases store it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// background is never cancelled, so that nothing has to watch it. Requests of clients that
// disconnect are finished.
var background = context.Background()
