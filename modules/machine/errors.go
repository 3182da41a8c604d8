package machine

import "guildhall/platform/fault"

var (
	errKeyNotFound     = fault.New(fault.NotFound, "api_key_not_found", "There is no such API key.")
	errUnknownScope    = fault.New(fault.Invalid, "unknown_scope", "There is no such scope.")
	errScopeBeyondRole = fault.New(fault.Forbidden, "scope_beyond_role", "The role of the key's holder does not allow this scope.")
	errAlreadyRotated  = fault.New(fault.Conflict, "already_rotated", "This API key was already rotated: rotate its successor.")

	errAPINotFound = fault.New(fault.NotFound, "api_not_found", "There is no such API.")
	errAPIExists   = fault.New(fault.Conflict, "api_exists", "Another API has this identifier.")

	errUnknownResource = fault.New(fault.Invalid, "unknown_resource", "No API with this identifier is registered.")

	// Those of OAuth's endpoints (RFC 6749 §5.2, RFC 8707 §2).
	errInvalidClient        = fault.New(fault.Unauthenticated, "invalid_client", "The client is unknown, or its key is wrong or has ended: client_id is the id of an API key or of its holder, and client_secret the key.")
	errUnauthorizedClient   = fault.New(fault.Malformed, "unauthorized_client", "The holder of this key may not act in its organization now.")
	errUnsupportedGrantType = fault.New(fault.Malformed, "unsupported_grant_type", "This endpoint supports only the grant type client_credentials; people log in at /api/v1/auth/token.")
	errInvalidScope         = fault.New(fault.Malformed, "invalid_scope", "A scope is unknown, or beyond the key or the role of its holder.")
	errInvalidTarget        = fault.New(fault.Malformed, "invalid_target", "No API with this resource is registered.")
)
