package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Passkeys returns the domain that passkeys belong to (the RP ID of Web Authentication), and
// the origins of the pages that may use them. Without a domain, there are no passkeys.
//
// The host of PUBLIC_URL comes before that of APP_URL: there, the service itself serves the
// document with which browsers let pages of the other origin use the passkeys.
func (c *Config) Passkeys() (rpID string, origins []string) {
	rpID, origins = c.WebAuthnRPID, c.WebAuthnOrigins
	for _, base := range []string{c.PageBase(), c.AppURL} {
		u, err := url.Parse(base)
		if err != nil || u.Hostname() == "" || net.ParseIP(u.Hostname()) != nil { // an IP address has no passkeys
			continue
		}
		if rpID == "" {
			rpID = strings.ToLower(u.Hostname())
		}
		if origin := originOf(u); len(c.WebAuthnOrigins) == 0 && !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	if rpID != "" && len(origins) == 0 {
		origins = []string{"https://" + rpID}
	}
	return rpID, origins
}

// PagesHavePasskeys reports whether the service's own pages may use passkeys.
func (c *Config) PagesHavePasskeys() bool {
	u, err := url.Parse(c.PageBase())
	rpID, origins := c.Passkeys()
	return err == nil && rpID != "" && slices.Contains(origins, originOf(u))
}

// originOf returns the origin of a URL as browsers write it (RFC 6454 §6.2).
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}

// domainName checks the domain of passkeys.
func domainName(s string) error {
	if net.ParseIP(s) != nil || !isHostName(s) || s != strings.ToLower(s) || strings.Contains(s, "_") || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
		return errors.New("is not a domain in lower case, such as example.com")
	}
	return nil
}

// pageOrigin checks an origin on which a browser lets pages use passkeys.
func pageOrigin(s string) error {
	if fault := originFault(s); fault != "" {
		return errors.New(fault)
	}
	if isClearOrigin(s) {
		return errors.New("is not https: browsers allow no passkeys there")
	}
	return nil
}

// validatePasskeys reports origins without a domain.
func (c *Config) validatePasskeys(problems *Problems) {
	if rpID, _ := c.Passkeys(); rpID == "" && len(c.WebAuthnOrigins) > 0 {
		problems.add("WEBAUTHN_RP_ID", "has to be set with WEBAUTHN_ORIGINS, or PUBLIC_URL: passkeys belong to a domain")
	}
}

func (c *Config) checkPasskeys() Finding {
	const name = "WEBAUTHN_RP_ID"
	rpID, origins := c.Passkeys()
	if rpID == "" {
		return Finding{OK: true, Warn: true, Name: name, Message: "is none, and so is PUBLIC_URL: nobody can use a passkey"}
	}
	return Finding{OK: true, Name: name, Message: fmt.Sprintf("passkeys belong to %s, for pages of %s", rpID, strings.Join(origins, ", "))}
}
