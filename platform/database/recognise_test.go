package database_test

import (
	"bytes"
	"context"
	"log/slog"
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

func TestVersionsThatAreNotSupported(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, c := range []struct {
		version, release, number string
		refused, noted           bool
	}{
		{"PostgreSQL 13.23 (Debian 13.23-0+deb11u1) on x86_64-pc-linux-gnu", "13.23", "130023", true, false},
		{"PostgreSQL 14.0 on x86_64-pc-linux-gnu", "14.0", "140000", false, false},
		{"PostgreSQL 19beta1 on x86_64-pc-linux-gnu", "19beta1", "190000", false, true},
		{"CockroachDB CCL v25.4.1 (x86_64-pc-linux-gnu)", "13.0.0", "130000", false, false},
		{"PostgreSQL 11.2-YB-2024.1.0.0-b0 on x86_64-pc-linux-gnu", "11.2-YB-2024.1.0.0-b0", "110002", false, false},
	} {
		var log bytes.Buffer
		url := platformtest.ReportingVersion(t, platformtest.PostgresURL(t), c.version, c.release, c.number)
		db, err := database.Open(ctx, database.Options{URL: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err == nil {
			_ = db.Close()
		}
		if (err != nil) != c.refused || c.refused && !strings.Contains(err.Error(), "the server is PostgreSQL 13.23, and guildhall needs PostgreSQL 14 or newer") {
			t.Errorf("%s: %v", c.version, err)
		}
		if strings.Contains(log.String(), "is newer than") != c.noted {
			t.Errorf("%s: %s", c.version, log.String())
		}
	}
}
