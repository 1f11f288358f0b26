package kafkatest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certFiles are the PEM files of a cluster with TLS.
type certFiles struct {
	ca, otherCA           string
	serverKeystore        string // key and certificate in one file, as Kafka's PEM keystore wants it
	clientCert, clientKey string
}

// authority is a CA that signs for a day.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// writeCerts makes a CA, a server and a client certificate of it, and a CA that has nothing to do with them, in dir.
func writeCerts(dir string) (certFiles, error) {
	f := certFiles{
		ca: filepath.Join(dir, "ca.pem"), otherCA: filepath.Join(dir, "other-ca.pem"),
		serverKeystore: filepath.Join(dir, "server.pem"),
		clientCert:     filepath.Join(dir, "client.pem"), clientKey: filepath.Join(dir, "client-key.pem"),
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return f, fmt.Errorf("write certificates: %w", err)
	}
	ca, caPEM, err := newAuthority("millrace test CA")
	if err != nil {
		return f, fmt.Errorf("make CA: %w", err)
	}
	_, otherPEM, err := newAuthority("other CA")
	if err != nil {
		return f, fmt.Errorf("make CA: %w", err)
	}
	serverCert, serverKey, err := ca.issue("kafka", x509.ExtKeyUsageServerAuth)
	if err != nil {
		return f, fmt.Errorf("make server certificate: %w", err)
	}
	clientCert, clientKey, err := ca.issue("client", x509.ExtKeyUsageClientAuth)
	if err != nil {
		return f, fmt.Errorf("make client certificate: %w", err)
	}
	for file, data := range map[string][]byte{
		f.ca: caPEM, f.otherCA: otherPEM, f.serverKeystore: append(serverKey, serverCert...), f.clientCert: clientCert, f.clientKey: clientKey,
	} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return f, fmt.Errorf("write certificates: %w", err)
		}
	}
	return f, nil
}

func newAuthority(name string) (authority, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, nil, err
	}
	template := certTemplate(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return authority{cert: cert, key: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

// issue returns a certificate and its key as PEM. It is good for 127.0.0.1 and localhost.
func (a authority) issue(name string, usage x509.ExtKeyUsage) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := certTemplate(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

func certTemplate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
}
