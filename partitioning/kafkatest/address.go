package kafkatest

import "fmt"

func (c *Cluster) addresses(l listener) []string {
	addrs := make([]string, len(c.brokers))
	for i := range c.brokers {
		addrs[i] = c.address(i, l)
	}
	return addrs
}

func (c *Cluster) address(i int, l listener) string {
	return fmt.Sprintf("127.0.0.1:%d", c.ports.numbers[i*len(listeners)+int(l)])
}

// Brokers returns the host:port of every broker's PLAINTEXT listener, running or not.
func (c *Cluster) Brokers() []string { return c.addresses(plaintext) }

// SASLBrokers returns the addresses of the SASL_PLAINTEXT listener, or nil without SASL.
func (c *Cluster) SASLBrokers() []string {
	if !c.cfg.SASL {
		return nil
	}
	return c.addresses(saslPlaintext)
}

// TLSBrokers returns the addresses of the SSL listener, or nil without TLS.
func (c *Cluster) TLSBrokers() []string {
	if !c.cfg.TLS {
		return nil
	}
	return c.addresses(ssl)
}

// SASLTLSBrokers returns the addresses of the SASL_SSL listener, or nil unless the cluster has both SASL and TLS.
func (c *Cluster) SASLTLSBrokers() []string {
	if !c.cfg.SASL || !c.cfg.TLS {
		return nil
	}
	return c.addresses(saslSSL)
}

// SASLUser returns the user that PLAIN and both SCRAM mechanisms know.
func (c *Cluster) SASLUser() string { return saslUser }

// SASLPassword returns that user's password.
func (c *Cluster) SASLPassword() string { return saslPassword }

// CAFile returns the PEM file of the CA that signed the brokers' certificates (for 127.0.0.1 and localhost), or "" without
// TLS.
func (c *Cluster) CAFile() string { return c.certs.ca }

// OtherCAFile returns the PEM file of a CA that signed nothing here, to see a client refuse.
func (c *Cluster) OtherCAFile() string { return c.certs.otherCA }

// ClientCertFile returns the PEM file of a client certificate that the brokers trust.
func (c *Cluster) ClientCertFile() string { return c.certs.clientCert }

// ClientKeyFile returns the PEM file of the client certificate's private key (PKCS #8, no passphrase).
func (c *Cluster) ClientKeyFile() string { return c.certs.clientKey }

// LibsDir returns the directory of the Kafka jars.
func (c *Cluster) LibsDir() string { return c.libs }

// LogFile returns the file that broker i writes its log to; Close removes it.
func (c *Cluster) LogFile(i int) string { return c.brokers[i].logFile }
