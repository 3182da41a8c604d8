package auth

import (
	"errors"

	"guildhall/platform/fault"
)

// How a refresh ended, as it is counted.
type refreshed string

const (
	rotated  refreshed = "rotated"  // the session moved on
	kept     refreshed = "kept"     // the token stays, where there is no rotation
	repeated refreshed = "repeated" // the parent of the live token, within the grace
	reused   refreshed = "reused"   // a spent token: the session ended
	unknown  refreshed = "refused"  // no live session's token
)

// refusal is what the outcome answers; nil where the session lives on.
func (r refreshed) refusal() *fault.Error {
	switch r {
	case reused:
		return errRefreshTokenReused
	case unknown:
		return errInvalidRefreshToken
	default:
		return nil
	}
}

const failed = "failed" // by accident

func refreshResult(how refreshed, err error) string {
	var refusal *fault.Error
	switch {
	case err == nil:
		return string(how)
	case errRefreshTokenReused.Is(err):
		return string(reused)
	case errors.As(err, &refusal):
		return string(unknown)
	default:
		return failed
	}
}

// logInResult is ok, or the code of the refusal.
func logInResult(err error) string {
	var refusal *fault.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refusal):
		return refusal.Code
	default:
		return failed
	}
}
