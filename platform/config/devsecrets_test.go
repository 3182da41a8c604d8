package config

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func inDevelopment(t testing.TB, dataDir string, more ...string) *Config {
	t.Helper()
	return mustLoad(t, Options{Environ: append([]string{"DATA_DIR=" + dataDir}, more...)})
}

func TestDevelopmentSecretsAreCreatedOnceAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, second := inDevelopment(t, dir), inDevelopment(t, dir)
	for _, cfg := range []*Config{first, second} {
		if err := cfg.EnsureDevSecrets(); err != nil {
			t.Fatal(err)
		}
	}
	if first.JWTSecretKey != second.JWTSecretKey || first.JWTRefreshSecretKey != second.JWTRefreshSecretKey {
		t.Error("the second start has other secrets")
	}
	if first.sameSecrets() || secretWeakness(first.JWTSecretKey) != "" || len(first.JWTSecretKey) != 43 {
		t.Error("the secrets are not two of 32 random bytes")
	}
	for path, want := range map[string]os.FileMode{"": 0o700, "jwt_secret_key": 0o600, "jwt_refresh_secret_key": 0o600} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %o", path, info.Mode().Perm())
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestProcessesThatStartAtOnceShareTheSecrets(t *testing.T) {
	for range 20 {
		dir := filepath.Join(t.TempDir(), "data")
		var configs [16]*Config
		for i := range configs {
			configs[i] = inDevelopment(t, dir)
		}
		var wg sync.WaitGroup
		for _, cfg := range configs {
			wg.Go(func() {
				if err := cfg.EnsureDevSecrets(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, cfg := range configs {
			if cfg.JWTSecretKey != configs[0].JWTSecretKey || cfg.JWTRefreshSecretKey != configs[0].JWTRefreshSecretKey {
				t.Fatal("two processes have different secrets")
			}
		}
	}
}

func TestConfiguredSecretsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := inDevelopment(t, dir, "JWT_SECRET_KEY="+goodSecret)
	if err := cfg.EnsureDevSecrets(); err != nil {
		t.Fatal(err)
	}
	if cfg.JWTSecretKey.Reveal() != goodSecret || cfg.JWTRefreshSecretKey == "" {
		t.Error("want the one that was set, and one made")
	}
	if _, err := os.Stat(filepath.Join(dir, "jwt_secret_key")); !os.IsNotExist(err) {
		t.Errorf("a file was written for a secret that was set: %v", err)
	}
}

func TestNoSecretIsCreatedOutsideDevelopment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cfg := &Config{Environment: production, DataDir: dir}
	if err := cfg.EnsureDevSecrets(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); cfg.JWTSecretKey != "" || !os.IsNotExist(err) {
		t.Errorf("made something: %v", err)
	}
}

func TestInvalidKeptSecretsAreRefused(t *testing.T) {
	for name, contents := range map[string]map[string]string{
		"empty": {"jwt_secret_key": ""},
		"short": {"jwt_refresh_secret_key": "hunter2"},
		"equal": {"jwt_secret_key": goodSecret, "jwt_refresh_secret_key": goodSecret},
	} {
		t.Run(name, func(t *testing.T) {
			err := inDevelopment(t, files(t, contents)).EnsureDevSecrets()
			if err == nil {
				t.Fatal("accepted")
			}
			contains(t, err.Error(), "delete")
			containsNone(t, err.Error(), "hunter2", goodSecret)
		})
	}
}
