package auth

import (
	"errors"

	"guildhall/platform/fault"
)

// refreshOutcome is how a refresh ended, as metrics count it.
type refreshOutcome string

const (
	rotatedSession refreshOutcome = "rotated"  // the session has its next generation
	keptToken      refreshOutcome = "kept"     // rotation is off: the token stays valid
	repeatedToken  refreshOutcome = "repeated" // an earlier generation, within its grace period
	reusedToken    refreshOutcome = "reused"   // an earlier generation, later: the log-in was ended
	refused        refreshOutcome = "refused"  // no live session has this token
)

// refusal returns the error of the outcome, or nil if the session continues.
func (r refreshOutcome) refusal() *fault.Error {
	switch r {
	case reusedToken:
		return errRefreshTokenReused
	case refused:
		return errInvalidRefreshToken
	default:
		return nil
	}
}

const failed = "failed" // an internal error

func refreshResult(outcome refreshOutcome, err error) string {
	var refusal *fault.Error
	switch {
	case err == nil:
		return string(outcome)
	case errRefreshTokenReused.Is(err):
		return string(reusedToken)
	case errors.As(err, &refusal):
		return string(refused)
	default:
		return failed
	}
}

// logInResult returns ok or the code of the refusal.
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
