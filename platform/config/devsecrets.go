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

// EnsureDevSecrets gives development the JWT secrets that were not set: those
// kept in DATA_DIR from an earlier start, else new ones, kept there. Outside
// development it does nothing, Load having refused to go on without them.
// Processes that start at once end with the same secrets.
func (c *Config) EnsureDevSecrets() error {
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
		kept, err := keptSecret(filepath.Join(c.DataDir, strings.ToLower(name)))
		if err != nil {
			return fmt.Errorf("%s for development: %w", name, err)
		}
		*target = kept
		c.setSource(name, sourceMade)
	}
	if c.sameSecrets() {
		return fmt.Errorf("the JWT secrets kept in %s are the same: delete one", c.DataDir)
	}
	return nil
}

// keptSecret reads the secret at path, having made it if there was none.
func keptSecret(path string) (Secret, error) {
	kept, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	if err := makeSecret(path); err != nil {
		return "", err
	}
	return readSecret(path) // what is there, whoever put it there
}

func readSecret(path string) (Secret, error) {
	content, err := file.Read(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(content))
	if len(text) < minSecret {
		return "", fmt.Errorf("%s holds less than %d bytes: delete it to have a new one made", path, minSecret)
	}
	return Secret(text), nil
}

// makeSecret puts a new secret at path unless there is one by then. The file
// appears whole or not at all.
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
	rand.Read(random) // never fails: the runtime ends the process instead
	_, err = fmt.Fprintln(f, base64.RawURLEncoding.EncodeToString(random))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := file.Publish(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
