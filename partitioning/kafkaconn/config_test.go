package kafkaconn_test

import (
	"strings"
	"testing"
	"time"

	"millrace/partitioning/kafkaconn"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := kafkaconn.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesTheKeyOfEachProblem(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*kafkaconn.Config)
		want   string // "" means valid
	}{
		"no broker":                        {func(c *kafkaconn.Config) { c.Brokers = nil }, "brokers must name"},
		"a broker without port":            {func(c *kafkaconn.Config) { c.Brokers = []string{"a:1", "b"} }, `brokers[1] must be host:port, is "b"`},
		"a broker without host":            {func(c *kafkaconn.Config) { c.Brokers = []string{":9092"} }, "brokers[0] must be"},
		"a broker with port 0":             {func(c *kafkaconn.Config) { c.Brokers = []string{"a:0"} }, "brokers[0] must be"},
		"a broker with port 65536":         {func(c *kafkaconn.Config) { c.Brokers = []string{"a:65536"} }, "brokers[0] must be"},
		"a broker as a URL":                {func(c *kafkaconn.Config) { c.Brokers = []string{"kafka://a:1"} }, "brokers[0] must be"},
		"a broker with an IPv6 address":    {func(c *kafkaconn.Config) { c.Brokers = []string{"[::1]:9092"} }, ""},
		"no client id":                     {func(c *kafkaconn.Config) { c.ClientID = "" }, "client_id must"},
		"no time to connect":               {func(c *kafkaconn.Config) { c.DialTimeout = time.Millisecond }, "dial_timeout must be at least 100ms, is 1ms"},
		"a CA without TLS":                 {func(c *kafkaconn.Config) { c.TLS.CAFile = "ca.pem" }, "tls.ca_file has no effect unless tls.enabled"},
		"a server name without TLS":        {func(c *kafkaconn.Config) { c.TLS.ServerName = "kafka" }, "tls.server_name has no effect"},
		"an unverified connection, no TLS": {func(c *kafkaconn.Config) { c.TLS.InsecureSkipVerify = true }, "tls.insecure_skip_verify has no effect"},
		"a certificate without key":        {func(c *kafkaconn.Config) { c.TLS = kafkaconn.TLS{Enabled: true, CertFile: "c"} }, "tls.key_file must be set"},
		"a key without certificate":        {func(c *kafkaconn.Config) { c.TLS = kafkaconn.TLS{Enabled: true, KeyFile: "k"} }, "tls.cert_file must be set"},
		"an unknown mechanism":             {func(c *kafkaconn.Config) { c.SASL = kafkaconn.SASL{Mechanism: "plain", Username: "u", Password: "p"} }, `sasl.mechanism must be empty or one of`},
		"a mechanism without user":         {func(c *kafkaconn.Config) { c.SASL = kafkaconn.SASL{Mechanism: "PLAIN", Password: "p"} }, "sasl.username must be set"},
		"a mechanism without password":     {func(c *kafkaconn.Config) { c.SASL = kafkaconn.SASL{Mechanism: "PLAIN", Username: "u"} }, "sasl.password must be set"},
		"a user without mechanism":         {func(c *kafkaconn.Config) { c.SASL.Username = "u" }, "sasl.mechanism must be one of"},
		"SCRAM over TLS": {func(c *kafkaconn.Config) {
			c.TLS.Enabled, c.SASL = true, kafkaconn.SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: "p"}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := kafkaconn.DefaultConfig()
			tc.change(&c)
			err := c.Validate()
			if tc.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q...", err, tc.want)
			}
		})
	}
}

func TestValidateTellsAllProblemsAtOnceAndNoSecret(t *testing.T) {
	c := kafkaconn.Config{
		Brokers: []string{"a"},
		TLS:     kafkaconn.TLS{CertFile: "c"},
		SASL:    kafkaconn.SASL{Mechanism: "GSSAPI", Password: "hunter2"},
	}
	text := c.Validate().Error()
	for _, want := range []string{"brokers[0]", "client_id", "dial_timeout", "tls.cert_file", "tls.key_file", "sasl.mechanism", "sasl.username"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not reported in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("the password is in:\n%s", text)
	}
}
