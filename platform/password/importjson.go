package password

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
)

// fromASPNET translates the base64 of ASP.NET Identity. Version 2 is a byte 0, 16 bytes of
// salt and 32 of the key, of PBKDF2 with HMAC-SHA-1 and 1000 iterations. Version 3 is a byte
// 1, three numbers of 32 bits (the function, the iterations, the length of the salt), the
// salt and the key.
func fromASPNET(given string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(given)
	switch {
	case err == nil && len(raw) == 49 && raw[0] == 0:
		return pbkdf2Form("sha1", 1000, raw[1:17], raw[17:]), nil
	case err == nil && len(raw) > 13 && raw[0] == 1:
		function, iterations, length := binary.BigEndian.Uint32(raw[1:]), binary.BigEndian.Uint32(raw[5:]), binary.BigEndian.Uint32(raw[9:])
		names := []string{"sha1", "sha256", "sha512"}
		if rest := raw[13:]; int64(function) < int64(len(names)) && int64(length) < int64(len(rest)) {
			return pbkdf2Form(names[function], iterations, rest[:length], rest[length:]), nil
		}
	}
	return "", fmt.Errorf("%w: of no known kind; a bare key needs its form", errUnreadable)
}

// keycloakCredential is a credential of a realm export. The two members are JSON in a string
// there.
type keycloakCredential struct {
	Type           string   `json:"type"`
	SecretData     embedded `json:"secretData"`
	CredentialData embedded `json:"credentialData"`
}

type embedded struct {
	Value      string              `json:"value"` // of secretData
	Salt       string              `json:"salt"`
	Iterations uint32              `json:"hashIterations"` // of credentialData
	Algorithm  string              `json:"algorithm"`
	Additional map[string][]string `json:"additionalParameters"`
}

func (e *embedded) UnmarshalJSON(text []byte) error {
	type plain embedded
	var inner string
	if json.Unmarshal(text, &inner) == nil {
		text = []byte(inner)
	}
	return json.Unmarshal(text, (*plain)(e))
}

// fromKeycloak translates a credential of the type password, by PBKDF2 or argon2.
func fromKeycloak(given string) (string, error) {
	var c keycloakCredential
	if err := json.Unmarshal([]byte(given), &c); err != nil || c.Type != "" && c.Type != "password" {
		return "", fmt.Errorf("%w: not a password credential of Keycloak", errUnreadable)
	}
	salt, key, err := saltAndKey(c.SecretData.Salt, c.SecretData.Value)
	if err != nil {
		return "", err
	}
	with := c.CredentialData
	switch {
	case with.Algorithm == "pbkdf2":
		return pbkdf2Form("sha1", with.Iterations, salt, key), nil
	case with.Algorithm == "pbkdf2-sha256", with.Algorithm == "pbkdf2-sha512":
		return pbkdf2Form(strings.TrimPrefix(with.Algorithm, "pbkdf2-"), with.Iterations, salt, key), nil
	case with.Algorithm == "argon2" && with.additional("version") == "1.3":
		return fmt.Sprintf("$argon2%s$v=19$m=%s,t=%d,p=%s$%s$%s", with.additional("type"), with.additional("memory"), with.Iterations, with.additional("parallelism"),
			base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
	}
	return "", fmt.Errorf("%w: an algorithm of Keycloak that is not known", errUnreadable)
}

func (e embedded) additional(name string) string { return strings.Join(e.Additional[name], ",") }
