package config

import (
	"strings"
	"testing"
)

func TestValueFromFile(t *testing.T) {
	dir := files(t, map[string]string{
		"run/key":  goodSecret + "\n",
		"run/crlf": otherSecret + "\r\n",
		"run/port": "9000",
	})
	cfg := mustLoad(t, Options{
		Dir:     dir,
		Environ: []string{"JWT_SECRET_KEY_FILE=run/key", "PORT_FILE=" + dir + "/run/port"},
		Flags:   flags(t, "--jwt-refresh-secret-key-file", "run/crlf"),
	})
	if cfg.JWTSecretKey.Reveal() != goodSecret || cfg.JWTRefreshSecretKey.Reveal() != otherSecret || cfg.Port != 9000 {
		t.Errorf("got %q, %q, %d", cfg.JWTSecretKey.Reveal(), cfg.JWTRefreshSecretKey.Reveal(), cfg.Port)
	}
}

// TestFilesFromWindows have CRLF line ends, and possibly a byte order mark.
func TestFilesFromWindows(t *testing.T) {
	const mark = "\ufeff"
	dir := files(t, map[string]string{
		".env":      mark + "# settings\r\nPORT=9000\r\nDATABASE_URL='sqlite://x.db'\r\nJWT_SECRET_KEY_FILE=key\r\n",
		defaultYAML: mark + "HOST: 127.0.0.2\r\nCORS_ORIGINS:\r\n  - https://a.example\r\n",
		"key":       mark + goodSecret + "\r\n",
	})
	cfg := mustLoad(t, Options{Dir: dir})
	if cfg.Port != 9000 || cfg.DatabaseURL.Reveal() != "sqlite://x.db" || cfg.Host != "127.0.0.2" ||
		len(cfg.CORSOrigins) != 1 || cfg.CORSOrigins[0] != "https://a.example" || cfg.JWTSecretKey.Reveal() != goodSecret {
		t.Errorf("got %d, %q, %q, %q, %q", cfg.Port, cfg.DatabaseURL.Reveal(), cfg.Host, cfg.CORSOrigins, cfg.JWTSecretKey.Reveal())
	}
	for name, content := range map[string]string{".env": "P\x00O\x00", defaultYAML: "P\x00O\x00"} {
		got := problemsOf(t, Options{Dir: files(t, map[string]string{name: "\xff\xfe" + content})})
		contains(t, got, name+": is in UTF-16: save it as UTF-8")
	}
}

func TestFileOfAHigherLevelWins(t *testing.T) {
	dir := files(t, map[string]string{"port": "9000\n", ".env": "PORT=1\n"})
	if cfg := mustLoad(t, Options{Dir: dir, Environ: []string{"PORT_FILE=port"}}); cfg.Port != 9000 {
		t.Errorf("port %d", cfg.Port)
	}
}

func TestFileFaults(t *testing.T) {
	dir := files(t, map[string]string{"empty": "\n", "key": goodSecret})
	for name, test := range map[string]struct {
		environ []string
		want    string
	}{
		"both":    {[]string{"JWT_SECRET_KEY=" + otherSecret, "JWT_SECRET_KEY_FILE=key"}, "JWT_SECRET_KEY: both JWT_SECRET_KEY and JWT_SECRET_KEY_FILE are set (environment)"},
		"missing": {[]string{"JWT_SECRET_KEY_FILE=" + goodSecret}, "JWT_SECRET_KEY: the file that JWT_SECRET_KEY_FILE names can't be read: no such file or directory (environment)"},
		"empty":   {[]string{"JWT_SECRET_KEY_FILE=empty"}, "JWT_SECRET_KEY: the file that JWT_SECRET_KEY_FILE names is empty"},
		"endless": {[]string{"JWT_SECRET_KEY_FILE=/dev/zero"}, "is larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			environ := append(test.environ, "ENVIRONMENT=production", "DATABASE_URL=sqlite://x.db", "JWT_REFRESH_SECRET_KEY=e8RtY1uIo5PaSdF7gHjK3lZxC9vBnM2qWsEdXXX")
			got := problemsOf(t, Options{Dir: dir, Environ: environ})
			contains(t, got, test.want, "has 1 problem(s)")
			containsNone(t, got, goodSecret, otherSecret)
		})
	}
}

func TestYAMLFaults(t *testing.T) {
	for name, test := range map[string]struct{ yaml, want string }{
		"typo":           {"DATABSE_URL: sqlite://x.db", `configs/guildhall.yaml: "DATABSE_URL" is not a setting`},
		"case":           {"PORT: 1\nport: 2", `configs/guildhall.yaml: "port" is not a setting`},
		"repeated":       {"PORT: 1\nPORT: 2", "configs/guildhall.yaml: line 2 is not valid YAML, repeats a name"},
		"nested":         {"PORT:\n  http: 1", "PORT: has nested settings (configs/guildhall.yaml)"},
		"list":           {"PORT: [1]", "PORT: is a list"},
		"items":          {"CORS_ORIGINS: [1]", "CORS_ORIGINS: has an item that is not text"},
		"number secret":  {"JWT_SECRET_KEY: 12345678901234567890123456789012345", "JWT_SECRET_KEY: has to be in quotes"},
		"yes":            {"DEBUG: yes", `DEBUG: "yes" is neither true nor false (configs/guildhall.yaml)`},
		"fraction":       {"PORT: 80.5", `PORT: "80.5" is not a whole number`},
		"both":           {"PORT: 1\nPORT_FILE: x", "PORT: both PORT and PORT_FILE are set"},
		"no map":         {goodSecret, "configs/guildhall.yaml: line 1 is not valid YAML"},
		"undefined name": {"JWT_SECRET_KEY: *" + goodSecret, "configs/guildhall.yaml: it is not valid YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, Options{Dir: files(t, map[string]string{defaultYAML: test.yaml})})
			contains(t, got, test.want)
			containsNone(t, got, goodSecret, goodSecret[:10], "1234567")
		})
	}
}

func TestDotenvFaultsNameTheLineAndQuoteNothing(t *testing.T) {
	for content, want := range map[string]string{
		"PORT=1\n\nJWT_SECRET_KEY='" + goodSecret: ".env: line 3, JWT_SECRET_KEY, opens a quote that is not closed on the same line",
		"bad-name=" + goodSecret:                  ".env: line 1 has no name of letters, digits and _ before its =",
		"# a comment\n" + goodSecret + "\n":       ".env: line 2 is not NAME=value",
		"=" + goodSecret:                          ".env: line 1 has no name",
	} {
		got := problemsOf(t, Options{Dir: files(t, map[string]string{".env": content})})
		contains(t, got, want)
		containsNone(t, got, goodSecret[:10])
	}
}

// TestDotenvValuesAreWhatIsWritten: nothing in a value is expanded, so a secret that
// contains a $ is not shortened.
func TestDotenvValuesAreWhatIsWritten(t *testing.T) {
	for written, want := range map[string]string{
		`a$b$HOME${PATH}$(ls)` + "`ls`": `a$b$HOME${PATH}$(ls)` + "`ls`",
		`"a$b$HOME"`:                    `a$b$HOME`, `'a$b'`: `a$b`, `"a\nb\"`: `a\nb\`, `a\$b`: `a\$b`,
		` spaced out `: `spaced out`, `" spaced "`: ` spaced `, `"a"b"`: `a"b`, `it's`: `it's`, `a"b"`: `a"b"`,
		`a#b`: `a#b`, `a # comment`: `a`, `"a # b" # comment`: `a # b`, `"a" # "b"`: `a`, `"" # none`: `guildhall`,
		`a=b==`: `a=b==`, "tab\t# comment": "tab", "é語": "é語",
	} {
		for _, end := range []string{"", "\n", "\r\n", "\n# the end"} {
			dir := files(t, map[string]string{".env": "# first\n  export JWT_ISSUER = " + written + end})
			cfg, err := Load(Options{Dir: dir})
			if err != nil || cfg.JWTIssuer != want {
				t.Errorf("%q was read as %q, want %q: %v", written, cfg.JWTIssuer, want, err)
			}
		}
	}
}

func TestWarnsOfExpandedValuesAndMisspelledNames(t *testing.T) {
	dir := files(t, map[string]string{".env": "JWT_ISSUER=a$HOME\nJWT_SECRET_KEYS=x\nOTHER=$x\nJWT_AUDIENCE=5$\n"})
	cfg, err := Load(Options{Dir: dir, Environ: []string{"DATABASE_ULR=sqlite://x.db", "cors_origin=x", "HOSTNAME=here", "LOGNAME=ada", "PORTS=1", "OTEL_SERVICE_NAME=x"}})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(cfg.Warnings, "\n")
	contains(t, got, ".env: line 1: the value of JWT_ISSUER is read literally")
	contains(t, got, "JWT_SECRET_KEYS: is not a setting and has no effect; is JWT_SECRET_KEY meant? (.env)")
	contains(t, got, "DATABASE_ULR: is not a setting and has no effect; is DATABASE_URL meant? (environment)")
	contains(t, got, "cors_origin: is not a setting")
	containsNone(t, got, "OTHER", "AUDIENCE", "HOSTNAME", "LOGNAME", "PORTS", "OTEL")
}

func TestDotenvThatIsADirectory(t *testing.T) {
	dir := files(t, map[string]string{".env/x": ""})
	contains(t, problemsOf(t, Options{Dir: dir}), ".env: can't be read")
}

func TestHelpShowsNoSecretsAndAllSettings(t *testing.T) {
	help := flags(t).FlagUsages()
	for _, k := range keys() {
		contains(t, help, "--"+k.flag())
	}
	contains(t, help, "--config string", "--port int", "--jwt-secret-key-file", "(default 8000)")
	containsNone(t, help, "--port-file", `(default "")`)
	if strings.Contains(help, "[=") {
		t.Errorf("flags of booleans look odd:\n%s", help)
	}
}
