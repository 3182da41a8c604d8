package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"guildhall/platform/file"
)

// EnsureDevSecrets sets the JWT secrets that are not configured in development: to
// those stored in DATA_DIR by an earlier start, or to new ones, which it stores there.
// Outside development it does nothing, because Load has refused missing secrets.
// Processes that start at the same time get the same secrets.
func (c *Config) EnsureDevSecrets() error { return c.devSecrets(keptSecret) }

// UseDevSecrets is EnsureDevSecrets for commands beside the service: it makes no secrets.
func (c *Config) UseDevSecrets() error {
	return c.devSecrets(func(path string) (Secret, error) {
		secret, err := readSecret(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return secret, err
	})
}

func (c *Config) devSecrets(of func(path string) (Secret, error)) error {
	if !c.Development() {
		return nil
	}
	for name, target := range map[string]*Secret{
		"JWT_SECRET_KEY":         &c.JWTSecretKey,
		"JWT_REFRESH_SECRET_KEY": &c.JWTRefreshSecretKey,
	} {
		if *target != "" {
			continue
		}
		kept, err := of(filepath.Join(c.DataDir, strings.ToLower(name)))
		if err != nil {
			return fmt.Errorf("%s for development: %w", name, err)
		}
		if *target = kept; kept != "" {
			c.setSource(name, sourceMade)
		}
	}
	if c.JWTSecretKey != "" && c.sameSecrets() {
		return fmt.Errorf("the JWT secrets in %s are the same: delete one", c.DataDir)
	}
	return nil
}

// keptSecret reads the secret at path, after creating it if it does not exist.
func keptSecret(path string) (Secret, error) {
	kept, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	if err := makeSecret(path); err != nil {
		return "", err
	}
	return readSecret(path) // the existing secret, even if another process created it
}

func readSecret(path string) (Secret, error) {
	content, err := file.Read(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(content))
	if len(text) < minSecret {
		return "", fmt.Errorf("%s contains less than %d bytes: delete it so that a new one is created", path, minSecret)
	}
	return Secret(text), nil
}

// makeSecret writes a new secret to path, unless path exists by then. It writes the
// whole file or none.
func makeSecret(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())

	random := make([]byte, 32)
	rand.Read(random) // never returns an error: the runtime ends the process instead
	_, err = fmt.Fprintln(f, base64.RawURLEncoding.EncodeToString(random))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := file.Publish(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
