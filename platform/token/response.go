package token

import "github.com/google/uuid"

// Token is the answer that gives a client its tokens (RFC 6749 §5.1).
type Token struct {
	UserID         uuid.UUID     `json:"user_id"`
	OrganizationID uuid.NullUUID `json:"organization_id"`
	Email          string        `json:"email" format:"email" example:"ada@example.com"`
	Name           string        `json:"name" example:"Ada Lovelace"`
	AccessToken    string        `json:"access_token" example:"eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln"`
	RefreshToken   string        `json:"refresh_token" example:"eyJhbGciOiJIUzI1NiIsInR5cCI6InJ0K2p3dCJ9.e30.c2ln"`
	TokenType      string        `json:"token_type" enum:"bearer" example:"bearer"`
	ExpiresIn      int           `json:"expires_in" example:"1800" description:"Seconds until the access token expires. The service refuses it less than a second later."`
}
