package databaseurl

import "testing"

func TestMask(t *testing.T) {
	for given, want := range map[string]string{
		"postgres://u:hunter2@h:5/d?sslmode=require":      "postgres://u:********@h:5/d?sslmode=require",
		"postgres://u:hunter2@hunter2@h/d":                "postgres://u:********@h/d",
		"postgres://u:hunter2/@h/d":                       "postgres://u:********@h/d",
		"postgres://u:hunter2?x@h/d":                      "postgres://u:********@h/d",
		"postgres://u@h/d":                                "postgres://u@h/d",
		"postgres://h/d?user=u&password=hunter2&x=y":      "postgres://h/d?user=u&password=********&x=y",
		"postgres://h/d?p%61ssword=hunter2":               "postgres://h/d?p%61ssword=********",
		"postgres://h/d?password=hunter2&x=a@b":           "postgres://********@b",
		"postgres://h/d?sslpassword=hunter2&PASS=hunter2": "postgres://h/d?sslpassword=********&PASS=********",
		"sqlite://data/guildhall.db":                      "sqlite://data/guildhall.db",
		"https://a.example":                               "https://a.example",
		"*":                                               "*",
	} {
		if got := Mask(given); got != want {
			t.Errorf("%s became %s", given, got)
		}
	}
}

func TestMaskAll(t *testing.T) {
	for given, want := range map[string]string{
		`unknown command "postgres://u:hun@ter 2@h/d" for "guildhall"`: `unknown command "postgres://u:********@h/d" for "guildhall"`,
		"postgresql+asyncpg://u:hunter2@h/d\nand more":                 "postgresql+asyncpg://u:********@h/d\nand more",
		"begins with none of sqlite://, postgres:// and postgresql://": "begins with none of sqlite://, postgres:// and postgresql://",
		"sqlite:///srv/a@b": "sqlite:///srv/a@b",
	} {
		if got := MaskAll(given); got != want {
			t.Errorf("%s became %s", given, got)
		}
	}
}

func TestMaskingLeavesNoPart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, secret, want string }{
		{"password hunter2 fails", "hunter2", "password ******** fails"},
		{"lookup unter2@h: no such host", "hunter2", "lookup ********@h: no such host"},
		{"lookup nter", "hunter2", "lookup ********"},
		{"nothing", "hunter2", "nothing"},
		{"abc", "", "abc"},
		{"an x is", "x", "an ******** is"},
		{"p%40ss%20w and p%40ss+w", "p@ss w", "******** and ********"},
	} {
		if got := Redact(c.text, c.secret); got != c.want {
			t.Errorf("%s without %s is %s", c.text, c.secret, got)
		}
	}
}
