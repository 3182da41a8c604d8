package auth

import (
	"testing"
	"time"
)

// TestTOTP checks the vectors of RFC 6238, appendix B, of which an app shows the last 6 digits.
func TestTOTP(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		code := want[2:]
		if got := totpAt(secret, at/30); got != code {
			t.Errorf("at %d: %s, want %s", at, got, code)
		}
		for _, c := range []struct {
			seconds int64
			right   bool
		}{{0, true}, {-30, true}, {30, true}, {-61, false}, {61, false}} {
			if at+c.seconds < 0 {
				continue
			}
			step, right := totpStepOf(secret, code, time.Unix(at+c.seconds, 0))
			if right != c.right || right && step != at/30 {
				t.Errorf("at %d, %d s later: %v, step %d", at, c.seconds, right, step)
			}
		}
	}
	// Of two steps with the same code, the last one counts: the code is not used twice.
	const step = 910737
	if code := totpAt(secret, step); code != totpAt(secret, step+1) {
		t.Fatal("the codes of the two steps differ")
	} else if got, _ := totpStepOf(secret, code, time.Unix(30*step, 0)); got != step+1 {
		t.Errorf("step %d, want %d", got, step+1)
	}
}
