package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

type claims struct {
	jwt.RegisteredClaims
	SessionID      string  `json:"sid"`
	OrganizationID *string `json:"organization_id,omitempty"`
	Generation     int64   `json:"generation,omitempty"`
}

// Access tokens are signed with ES256, as guildhall's are: those of strangers with the key of
// its database, and those of this server with one of its own.
var (
	accessKey    = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	strangersKey = must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), must(hex.DecodeString(os.Getenv("STRANGERS_KEY")))))
	refreshKey   = []byte(os.Getenv("JWT_REFRESH_SECRET_KEY"))
	parser       = jwt.NewParser(jwt.WithValidMethods([]string{"HS256", "ES256"}), jwt.WithIssuer("guildhall"), jwt.WithAudience("guildhall"),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(30*time.Second), jwt.WithStrictDecoding())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func parse(token, typ string, key any) (c claims, err error) {
	_, err = parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != typ {
			return nil, errors.New("another kind of token")
		}
		if _, named := t.Header["kid"]; named {
			return strangersKey, nil
		}
		return key, nil
	})
	return c, err
}

// bearer returns the claims of the request's token. The database decides whether they are
// still valid.
func bearer(r *http.Request) (claims, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return claims{}, errRefused
	}
	c, err := parse(token, "at+jwt", &accessKey.PublicKey)
	if err != nil {
		return c, errRefused
	}
	return c, nil
}

func sign(c claims, typ string, method jwt.SigningMethod, key any) (string, error) {
	t := jwt.NewWithClaims(method, c)
	t.Header["typ"] = typ
	return t.SignedString(key)
}

const accessTTL, refreshTTL = 30 * time.Minute, 7 * 24 * time.Hour

// session has the data of a token pair.
type session struct {
	ID, UserID         string
	OrganizationID     *string
	Email, Name        string
	Generation         int64
	RotatedAt, Expires time.Time
}

type tokens struct {
	UserID         string  `json:"user_id"`
	OrganizationID *string `json:"organization_id"`
	Email          string  `json:"email"`
	Name           string  `json:"name"`
	AccessToken    string  `json:"access_token"`
	RefreshToken   string  `json:"refresh_token"`
	TokenType      string  `json:"token_type"`
	ExpiresIn      int     `json:"expires_in"`
}

func (s session) issue() (t tokens, err error) {
	at := now()
	common := func(id string, at, until time.Time) jwt.RegisteredClaims {
		return jwt.RegisteredClaims{
			Issuer: "guildhall", Audience: jwt.ClaimStrings{"guildhall"}, Subject: s.UserID, ID: id,
			IssuedAt: jwt.NewNumericDate(at), NotBefore: jwt.NewNumericDate(at), ExpiresAt: jwt.NewNumericDate(until),
		}
	}
	until := at.Add(accessTTL)
	if s.Expires.Before(until) {
		until = s.Expires
	}
	t = tokens{
		UserID: s.UserID, OrganizationID: s.OrganizationID, Email: s.Email, Name: s.Name,
		TokenType: "bearer", ExpiresIn: int(until.Sub(at).Seconds()),
	}
	t.AccessToken, err = sign(claims{RegisteredClaims: common(uuid.NewString(), at, until), SessionID: s.ID, OrganizationID: s.OrganizationID}, "at+jwt", jwt.SigningMethodES256, accessKey)
	if err != nil {
		return t, err
	}
	t.RefreshToken, err = sign(claims{
		RegisteredClaims: common(s.ID+"."+strconv.FormatInt(s.Generation, 10), s.RotatedAt, s.Expires), SessionID: s.ID, Generation: s.Generation,
	}, "rt+jwt", jwt.SigningMethodHS256, refreshKey)
	return t, err
}
