package main

import (
	"context"
	"database/sql"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

const nobody = "00000000-0000-0000-0000-000000000000" // sorts before all other ids

type organizationRef struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Role        string `json:"role"`
	IsSuspended bool   `json:"is_suspended"`
}

type myStanding struct {
	Account      string  `json:"account"`
	Organization *string `json:"organization"`
}

type me struct {
	ID           string           `json:"id"`
	Email        string           `json:"email"`
	Name         string           `json:"name"`
	Bio          *string          `json:"bio"`
	AvatarURL    *string          `json:"avatar_url"`
	ExternalID   *string          `json:"external_id"`
	Verified     bool             `json:"email_verified"`
	Locale       *string          `json:"locale"`
	Operator     bool             `json:"is_platform_administrator"`
	IsActive     bool             `json:"is_active"`
	IsSuspended  bool             `json:"is_suspended"`
	IsArchived   bool             `json:"is_archived"`
	CreatedAt    time.Time        `json:"created_at"`
	UpdatedAt    time.Time        `json:"updated_at"`
	Role         *string          `json:"role"`
	Standing     myStanding       `json:"standing"`
	Organization *organizationRef `json:"organization"`
}

func (s *server) me(c *gin.Context) {
	who, err := bearer(c.Request)
	if err != nil {
		refuse(c, err)
		return
	}
	var bits int
	var organization *string
	v := me{ID: who.Subject, IsActive: true}
	err = s.statements["me"].QueryRowContext(background, who.Subject, who.SessionID, who.OrganizationID, now()).
		Scan(&bits, &v.Email, &v.Name, &v.Bio, &v.AvatarURL, &v.Verified, &v.Locale, &v.CreatedAt, &v.UpdatedAt, &organization)
	if err != nil || !signedIn(bits) {
		refuse(c, orRefused(err))
		return
	}
	v.CreatedAt, v.UpdatedAt = v.CreatedAt.UTC(), v.UpdatedAt.UTC()
	v.Standing.Account, v.Operator = accountStanding(bits), bits&operator != 0
	if organization != nil && bits&isMember != 0 {
		mine, there := role(bits), membershipStanding(bits)
		v.Role, v.Standing.Organization = &mine, &there
		v.Organization = &organizationRef{*who.OrganizationID, *organization, mine, bits&organizationSuspended != 0}
	}
	answer(c, http.StatusOK, v)
}

func orRefused(err error) error {
	if err == nil {
		return errRefused
	}
	return err
}

type organization struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	IsActive    bool      `json:"is_active"`
	IsSuspended bool      `json:"is_suspended"`
	IsArchived  bool      `json:"is_archived"`
	ExternalID  *string   `json:"external_id"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Role        string    `json:"role"`
}

func (s *server) organization(c *gin.Context) {
	who, err := bearer(c.Request)
	if err != nil {
		refuse(c, err)
		return
	}
	var bits int
	v := organization{ID: c.Param("organization_id")}
	err = s.statements["organization"].QueryRowContext(background, who.Subject, who.SessionID, v.ID, now()).
		Scan(&bits, &v.Name, &v.CreatedAt, &v.UpdatedAt, &v.IsActive)
	if err != nil || !may(bits, false) {
		refuse(c, orRefused(err))
		return
	}
	v.CreatedAt, v.UpdatedAt, v.Role = v.CreatedAt.UTC(), v.UpdatedAt.UTC(), role(bits)
	answer(c, http.StatusOK, v)
}

// allowed returns the caller and their standing, for requests that also need other rows.
func (s *server) allowed(ctx context.Context, r *http.Request, organizationID *string) (who claims, bits int, err error) {
	if who, err = bearer(r); err != nil {
		return who, 0, err
	}
	err = s.statements["standing"].QueryRowContext(ctx, who.Subject, who.SessionID, organizationID, now()).Scan(&bits)
	return who, bits, err
}

type listedMember struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	AvatarURL *string   `json:"avatar_url"`
	Role      string    `json:"role"`
	JoinedAt  time.Time `json:"joined_at"`
	Kind      string    `json:"kind"`
	Standing  string    `json:"standing"`
}

func (s *server) members(c *gin.Context) {
	ctx, id := background, c.Param("organization_id")
	_, bits, err := s.allowed(ctx, c.Request, &id)
	if err != nil || !may(bits, false) {
		refuse(c, orRefused(err))
		return
	}
	query := c.Request.URL.Query()
	limit, _ := strconv.Atoi(orElse(query.Get("limit"), "100"))
	offset, _ := strconv.Atoi(orElse(query.Get("offset"), "0"))
	after, err := readCursor(query.Get("cursor"))
	if err != nil {
		refuse(c, err)
		return
	}
	rows, err := s.statements["members"].QueryContext(ctx, id, after, limit+1, offset, now())
	if err != nil {
		refuse(c, err)
		return
	}
	defer rows.Close()
	list := make([]listedMember, 0, limit+1)
	for rows.Next() {
		var m listedMember
		var bits int
		var isService bool
		if err := rows.Scan(&m.ID, &m.Email, &m.Name, &m.AvatarURL, &m.JoinedAt, &bits, &isService); err != nil {
			refuse(c, err)
			return
		}
		m.Role, m.JoinedAt, m.Standing = role(bits), m.JoinedAt.UTC(), memberStanding(bits)
		if m.Kind = "person"; isService {
			m.Kind = "service"
		}
		list = append(list, m)
	}
	if err := rows.Err(); err != nil {
		refuse(c, err)
		return
	}
	if len(list) > limit {
		list = list[:limit]
		c.Header("Link", "<"+c.Request.URL.Path+"?cursor="+cursor(list[limit-1].ID)+"&limit="+strconv.Itoa(limit)+`>; rel="next"`)
	}
	answer(c, http.StatusOK, list)
}

type listedOrganization struct {
	organization
	JoinedAt time.Time `json:"joined_at"`
}

func (s *server) organizations(c *gin.Context) {
	ctx := background
	who, bits, err := s.allowed(ctx, c.Request, nil)
	if err != nil || !signedIn(bits) {
		refuse(c, orRefused(err))
		return
	}
	rows, err := s.statements["organizations"].QueryContext(ctx, who.Subject, 101, now())
	if err != nil {
		refuse(c, err)
		return
	}
	list, err := scanOrganizations(rows)
	if err != nil {
		refuse(c, err)
		return
	}
	answer(c, http.StatusOK, list)
}

func scanOrganizations(rows *sql.Rows) ([]listedOrganization, error) {
	defer rows.Close()
	list := []listedOrganization{}
	for rows.Next() {
		var o listedOrganization
		var bits int
		err := rows.Scan(&o.ID, &o.Name, &o.CreatedAt, &o.UpdatedAt, &o.JoinedAt, &o.IsActive, &o.IsSuspended, &bits)
		if err != nil {
			return nil, err
		}
		o.Role, o.CreatedAt, o.UpdatedAt, o.JoinedAt = role(bits), o.CreatedAt.UTC(), o.UpdatedAt.UTC(), o.JoinedAt.UTC()
		list = append(list, o)
	}
	return list, rows.Err()
}

// cursor encodes the id of the last item as guildhall does.
func cursor(id string) string {
	u := uuid.MustParse(id)
	return base64.RawURLEncoding.EncodeToString(u[:])
}

func readCursor(text string) (string, error) {
	if text == "" {
		return nobody, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", errRefused
	}
	id, err := uuid.FromBytes(b)
	if err != nil {
		return "", errRefused
	}
	return id.String(), nil
}
