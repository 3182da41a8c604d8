package database_test

import (
	"context"
	"strings"
	"testing"

	"guildhall/platform/database"
	"guildhall/platform/platformtest"
)

func TestRepeatableReadIsRefused(t *testing.T) {
	t.Parallel()
	url := platformtest.PostgresURL(t)
	for setting, refused := range map[string]bool{"repeatable%20read": true, "read%20committed": false, "serializable": false} {
		_, err := database.Open(context.Background(), database.Options{URL: url + "&default_transaction_isolation=" + setting})
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "default_transaction_isolation") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
