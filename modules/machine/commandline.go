package machine

import (
	"context"
	"iter"
	"strings"

	"guildhall/platform/access"
	"guildhall/platform/field"
	"guildhall/platform/httpapi"
)

// CommandLine is for commands on the server. It offers what the routes offer to platform
// administrators, by the same rules.
type CommandLine struct{ svc *Service }

// CommandLine returns the operations for the command line.
func (svc *Service) CommandLine() CommandLine { return CommandLine{svc} }

// RegisteredAPI is an API as the routes show it.
type RegisteredAPI = apiView

// NewAPI is what a new API declares, as texts that are not validated yet.
type NewAPI struct {
	Identifier, Name string
	Scopes           []string // NAME or NAME=ROLE
	WantsRole        bool
	SessionTokens    bool
}

// CreatedAPI is a new API with its first key, which is shown only once.
type CreatedAPI struct {
	API RegisteredAPI `json:"api"`
	Key string        `json:"key"`
}

func (c CommandLine) admit(ctx context.Context) (context.Context, error) {
	return c.svc.gate.AdmitCommandLine(ctx, access.PlatformAdminOnly().WithoutPerson(), access.Request{})
}

// APIs lists the registered APIs.
func (c CommandLine) APIs(ctx context.Context) iter.Seq2[RegisteredAPI, error] {
	ctx, err := c.admit(ctx)
	return httpapi.Each(func(w httpapi.Window) (page httpapi.Page[RegisteredAPI], _ error) {
		if err != nil {
			return page, err
		}
		return c.svc.apisWithin(ctx, w)
	})
}

// CreateAPI registers an API and makes a key for it.
func (c CommandLine) CreateAPI(ctx context.Context, in NewAPI) (made CreatedAPI, err error) {
	if ctx, err = c.admit(ctx); err != nil {
		return made, err
	}
	input, err := in.input()
	if err != nil {
		return made, err
	}
	err = c.svc.db.InTx(ctx, func(ctx context.Context) error {
		api, err := c.svc.registerAPI(ctx, input)
		if err != nil {
			return err
		}
		key, err := c.svc.createAPIKey(ctx, apiKeyInput{apiPath: apiPath{APIID: api.Body.ID}, Name: "first key"})
		if err == nil {
			made = CreatedAPI{API: api.Body, Key: *key.Body.Key}
		}
		return err
	})
	return made, err
}

func (in NewAPI) input() (input apiInput, err error) {
	if err := input.Identifier.UnmarshalText([]byte(in.Identifier)); err != nil {
		return input, httpapi.Invalid("body.identifier", err)
	}
	if in.Name == "" {
		in.Name = string(field.NameOf(in.Identifier, ""))
	}
	if err := input.Name.UnmarshalText([]byte(in.Name)); err != nil {
		return input, httpapi.Invalid("body.name", err)
	}
	for i, text := range in.Scopes {
		name, role, given := strings.Cut(text, "=")
		var s scopeDeclaration
		if err := s.Name.UnmarshalText([]byte(name)); err != nil {
			return input, httpapi.Invalid(httpapi.Item("body.scopes", i)+".name", err)
		}
		if given {
			s.LeastRole = new(access.Role)
			if err := s.LeastRole.UnmarshalText([]byte(role)); err != nil {
				return input, httpapi.Invalid(httpapi.Item("body.scopes", i)+".least_role", err)
			}
		}
		input.Scopes = append(input.Scopes, s)
	}
	if in.WantsRole {
		input.Claims = new(claimsRole)
	}
	input.SessionTokens = &in.SessionTokens
	return input, nil
}
