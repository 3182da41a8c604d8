package database_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"guildhall/platform/platformtest"
)

// TestServerRefusals needs a server whose files can be changed.
func TestServerRefusals(t *testing.T) {
	t.Parallel()
	server := platformtest.NewServer(t, "", "max_connections=8", "superuser_reserved_connections=3")
	server.Exec("postgres", "CREATE DATABASE guildhall")
	i := install(t, server.URL("guildhall"))
	i.exec("GRANT CREATE ON SCHEMA public TO " + i.role)
	ask := func(name string) (value string) {
		t.Helper()
		if err := i.admin.QueryRow("SHOW " + name).Scan(&value); err != nil {
			t.Fatal(err)
		}
		return value
	}
	rules := func(lines ...string) {
		t.Helper()
		lines = append([]string{"host all guildhall all trust"}, lines...)
		if err := os.WriteFile(ask("hba_file"), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		i.exec("SELECT pg_reload_conf()")
		time.Sleep(200 * time.Millisecond) // the server reads the file when it receives the signal
	}
	says := func(err error, all ...string) {
		t.Helper()
		for _, s := range all {
			if err == nil || !strings.Contains(err.Error(), s) {
				t.Errorf("%v, want %q", err, s)
			}
		}
	}
	user := strings.Trim(i.role, `"`)

	says(i.use("&sslmode=require"), "demands TLS, and the server at "+server.Address()+" has none", "sslmode=disable")

	rules()
	says(i.use(""), "pg_hba.conf of "+server.Address()+" does not let "+i.role, "sslmode=require")
	rules("host all all all scram-sha-256")
	says(i.use(""), "asks for a password of "+i.role+", and the URL has none")
	i.at.User = url.UserPassword(user, "correct horse")
	i.helps("a wrong password", i.use(""), "rejects the password of "+i.role, "percent-encoded")

	var held []interface{ Close() error }
	for range 5 { // the other three connections are reserved for superusers
		c, err := i.admin.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	says(i.use(""), "no connection left for "+i.role, "DATABASE_MAX_CONNECTIONS, which is 2", "max_connections")
	for _, c := range held {
		_ = c.Close()
	}

	certificate(t, ask("data_directory"))
	i.exec("ALTER SYSTEM SET ssl = on")
	rules("hostssl all all all scram-sha-256")
	says(i.use(""), "sslmode=require")
	i.at.RawQuery = "sslmode=require"
	if err := i.use(""); err != nil {
		t.Errorf("as it says: %v", err)
	}
	i.at.RawQuery = "sslmode=verify-full"
	says(i.use(""), "the certificate of "+server.Address()+" is not trusted", "sslrootcert=FILE")
	i.at.RawQuery += "&sslrootcert=" + url.PathEscape(filepath.Join(ask("data_directory"), "server.crt"))
	if err := i.use(""); err != nil {
		t.Errorf("as it says: %v", err)
	}
}

// certificate creates a certificate for 127.0.0.1 where the server looks for it.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: loopback(),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := os.Stat(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"server.crt": {Type: "CERTIFICATE", Bytes: der}, "server.key": {Type: "PRIVATE KEY", Bytes: private}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		own(t, path, owner)
	}
}

// TestStandbyInsteadOfPrimary checks that the error says so and that promoting the
// standby fixes it.
func TestStandbyInsteadOfPrimary(t *testing.T) {
	t.Parallel()
	primary := platformtest.NewServer(t, "")
	primary.Exec("postgres", "CREATE DATABASE guildhall")
	standby := primary.Standby()
	i := &installation{t: t}
	at, err := url.Parse(standby.URL("guildhall"))
	if err != nil {
		t.Fatal(err)
	}
	i.at = *at
	err = i.use("")
	if err == nil || !strings.Contains(err.Error(), standby.Address()+" is a standby") || !strings.Contains(err.Error(), "SELECT pg_promote()") {
		t.Errorf("a standby: %v", err)
	}
	standby.Exec("postgres", "SELECT pg_promote()")
	if err := i.use(""); err != nil {
		t.Errorf("promoted: %v", err)
	}
}

func loopback() []net.IP { return []net.IP{net.IPv4(127, 0, 0, 1)} }

// own makes the server's operating system user the owner of a file.
func own(t *testing.T, path string, like os.FileInfo) {
	t.Helper()
	owner, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner")
	}
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}
