package audit

import "testing"

// TestEveryActionSaysWhatItRevokes: an action that says nothing could end what programs that
// read the feed of revocations still accept. Nothing is what it revokes, or it says what.
func TestEveryActionSaysWhatItRevokes(t *testing.T) {
	for _, action := range Actions() {
		if revokes[action] == nil {
			t.Errorf("%s does not say what it revokes", action)
		}
	}
	if len(revokes) != len(Actions()) {
		t.Errorf("%d of %d actions say what they revoke", len(revokes), len(Actions()))
	}
}
