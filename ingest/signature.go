package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"sync"

	"millrace/schemas/secret"
)

// encodedSumLen is the length of a SHA-256 sum in padded base64, the only form in which Shopify sends it.
const encodedSumLen = (sha256.Size + 2) / 3 * 4

// Sign returns the signature that Shopify sends in X-Shopify-Hmac-Sha256 for a body: the padded base64 of
// HMAC-SHA256(key, body), https://shopify.dev/docs/apps/build/webhooks/verify-deliveries.
func Sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signer computes sums with one secret. Its hashes are kept: Reset of a used HMAC restores the keyed state, which saves
// two compressions and the allocations of a new one (1.4 µs instead of 1.9 µs for 2 KB).
type signer struct{ macs sync.Pool }

// keyedMAC is a keyed hash and the room for its sum.
type keyedMAC struct {
	hash.Hash
	sum [sha256.Size]byte
}

func newSigner(key secret.Secret) *signer {
	k := []byte(key.Reveal())
	return &signer{macs: sync.Pool{New: func() any { return &keyedMAC{Hash: hmac.New(sha256.New, k)} }}}
}

// matches reports whether sum is the HMAC of body, in constant time.
func (s *signer) matches(body []byte, sum *[sha256.Size]byte) bool {
	mac := s.macs.Get().(*keyedMAC) // the pool holds nothing else
	mac.Reset()
	_, _ = mac.Write(body) // a hash takes everything
	ok := hmac.Equal(mac.Sum(mac.sum[:0]), sum[:])
	s.macs.Put(mac)
	return ok
}

// keyring is an immutable set of secrets: those of the app, and those of single shops (webhooks that a merchant made in
// the shop's own settings are signed with a key of that shop).
type keyring struct {
	app   []*signer
	shops map[string][]*signer
}

// authentic reports whether the body was signed with a secret that is valid for the shop. shop may be "" where the
// request named none that is well formed; then only the app's secrets count.
func (k *keyring) authentic(shop string, body []byte, sum *[sha256.Size]byte) bool {
	for _, s := range k.app {
		if s.matches(body, sum) {
			return true
		}
	}
	for _, s := range k.shops[shop] {
		if s.matches(body, sum) {
			return true
		}
	}
	return false
}

// decodeSum decodes a signature header. Only the canonical padded form is accepted, as Shopify's own libraries do.
func decodeSum(header string) (sum [sha256.Size]byte, ok bool) {
	if len(header) != encodedSumLen {
		return sum, false
	}
	var buf [encodedSumLen]byte
	n, err := base64.StdEncoding.Strict().Decode(buf[:], []byte(header))
	if err != nil || n != sha256.Size {
		return sum, false
	}
	copy(sum[:], buf[:n])
	return sum, true
}
