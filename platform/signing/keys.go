package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"guildhall/platform/token"
)

// rsaBits is the size of an RSA key (RFC 7518 §3.3 wants as many at least).
const rsaBits = 2048

// JWK is a public key (RFC 7517).
type JWK struct {
	KeyType   string `json:"kty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	Curve     string `json:"crv,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
}

func newPair(algorithm string) (private crypto.Signer, err error) {
	switch algorithm {
	case token.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case token.RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		return nil, fmt.Errorf("%s is no algorithm of signing keys", algorithm)
	}
}

// jwkOf returns the public part of a key, with its thumbprint as its id (RFC 7638).
func jwkOf(public crypto.PublicKey) (JWK, error) {
	var k JWK
	var members any // in alphabetical order
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4, X and Y (SEC 1)
		if err != nil {
			return k, err
		}
		size := (len(point) - 1) / 2
		k = JWK{KeyType: "EC", Algorithm: token.ES256, Curve: p.Curve.Params().Name, X: encode(point[1 : 1+size]), Y: encode(point[1+size:])}
		members = struct {
			Crv string `json:"crv"`
			Kty string `json:"kty"`
			X   string `json:"x"`
			Y   string `json:"y"`
		}{k.Curve, k.KeyType, k.X, k.Y}
	case *rsa.PublicKey:
		k = JWK{KeyType: "RSA", Algorithm: token.RS256, N: encode(p.N.Bytes()), E: encode(big.NewInt(int64(p.E)).Bytes())}
		members = struct {
			E   string `json:"e"`
			Kty string `json:"kty"`
			N   string `json:"n"`
		}{k.E, k.KeyType, k.N}
	default:
		return k, fmt.Errorf("%T is no public key of tokens", public)
	}
	text, err := json.Marshal(members)
	if err != nil {
		return k, err
	}
	sum := sha256.Sum256(text)
	k.ID, k.Use = encode(sum[:]), "sig"
	return k, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// open decodes the key of a row.
func (s *Store) open(k *Key) error {
	if k.ID == secretID {
		return nil
	}
	der, err := s.sealer.Open(k.sealed, k.ID)
	if err != nil {
		return err
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return fmt.Errorf("decode a signing key: %w", err)
	}
	var ok bool
	if k.signer, ok = private.(crypto.Signer); !ok {
		return errors.New("it is no key that signs")
	}
	return nil
}

// seal makes a pair of keys. It returns its id, and the private part sealed.
func (s *Store) seal(algorithm string) (id, sealed string, err error) {
	pair, err := newPair(algorithm)
	if err != nil {
		return "", "", err
	}
	jwk, err := jwkOf(pair.Public())
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		return "", "", err
	}
	sealed, err = s.sealer.Seal(der, jwk.ID) // mutant: sealed-signing-keys
	return jwk.ID, sealed, err
}
