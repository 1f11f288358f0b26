package kafkatest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// listener numbers the listeners of a broker; each broker reserves one port for each, used or not.
type listener int

const (
	plaintext listener = iota
	controller
	saslPlaintext
	ssl
	saslSSL
)

// listeners are Kafka's names of the listeners; each is also its security protocol, but for CONTROLLER.
var listeners = [...]string{"PLAINTEXT", "CONTROLLER", "SASL_PLAINTEXT", "SSL", "SASL_SSL"} //nolint:gochecknoglobals // a constant table

// maxMessageBytes takes a body of 10 MiB with 64 KiB of headers and the batch around them, and leaves topics the freedom to
// set less by max.message.bytes.
const maxMessageBytes = 12 << 20

// properties returns the lines of broker i's server.properties.
func (c *Cluster) properties(i int, dataDir string) string {
	p := c.baseProperties(i, dataDir)
	c.addListeners(i, p)
	if c.cfg.SASL {
		c.addSASL(p)
	}
	if c.cfg.TLS {
		c.addTLS(p)
	}
	maps.Copy(p, c.cfg.Properties)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", k, p[k])
	}
	return b.String()
}

func (c *Cluster) baseProperties(i int, dataDir string) map[string]string {
	n := c.cfg.Brokers
	replicas, inSync := strconv.Itoa(n), strconv.Itoa((n+1)/2)
	voters := make([]string, n)
	for v := range n {
		voters[v] = fmt.Sprintf("%d@%s", v+1, c.address(v, controller))
	}
	return map[string]string{
		"process.roles":            "broker,controller",
		"node.id":                  strconv.Itoa(i + 1),
		"controller.quorum.voters": strings.Join(voters, ","),
		"log.dirs":                 dataDir,

		"default.replication.factor":                       replicas,
		"min.insync.replicas":                              inSync,
		"offsets.topic.replication.factor":                 replicas,
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    inSync,
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            inSync,
		"auto.create.topics.enable":                        "false",

		// The default of 50 partitions each makes the first group and the first transaction of a test wait for seconds.
		"offsets.topic.num.partitions":                 "6",
		"transaction.state.log.num.partitions":         "6",
		"share.coordinator.state.topic.num.partitions": "6",

		// Fast fail-over: a killed broker's leaders move within about 3 s, a killed group member's partitions as soon as its own
		// session timeout allows.
		"broker.heartbeat.interval.ms":     "500",
		"broker.session.timeout.ms":        "3000",
		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "500",
		// KIP-848 groups take these times from the broker, not from the client.
		"group.consumer.min.session.timeout.ms":    "500",
		"group.consumer.min.heartbeat.interval.ms": "100",

		"message.max.bytes":       strconv.Itoa(maxMessageBytes),
		"replica.fetch.max.bytes": strconv.Itoa(maxMessageBytes),

		// Small: the default cleaner buffer alone is 128 MiB, a third of the heap.
		"log.cleaner.dedupe.buffer.size": "8388608",
		"num.network.threads":            "2",
		"num.io.threads":                 "4",
	}
}

func (c *Cluster) addListeners(i int, p map[string]string) {
	use := []listener{plaintext, controller}
	if c.cfg.SASL {
		use = append(use, saslPlaintext)
	}
	if c.cfg.TLS {
		use = append(use, ssl)
	}
	if c.cfg.SASL && c.cfg.TLS {
		use = append(use, saslSSL)
	}
	var addrs, protocols []string
	for _, l := range use {
		name, protocol := listeners[l], listeners[l]
		if l == controller {
			protocol = listeners[plaintext]
		}
		addrs = append(addrs, name+"://"+c.address(i, l))
		protocols = append(protocols, name+":"+protocol)
	}
	p["listeners"] = strings.Join(addrs, ",")
	p["listener.security.protocol.map"] = strings.Join(protocols, ",")
	p["inter.broker.listener.name"] = listeners[plaintext]
	p["controller.listener.names"] = listeners[controller]
}

// addSASL configures PLAIN with its user in the JAAS line; the SCRAM users are written when the storage is formatted.
func (c *Cluster) addSASL(p map[string]string) {
	for _, l := range []listener{saslPlaintext, saslSSL} {
		prefix := "listener.name." + strings.ToLower(listeners[l]) + "."
		p[prefix+"sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
		p[prefix+"plain.sasl.jaas.config"] = fmt.Sprintf(
			`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, saslUser, saslPassword)
		scram := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		p[prefix+"scram-sha-256.sasl.jaas.config"] = scram
		p[prefix+"scram-sha-512.sasl.jaas.config"] = scram
	}
}

func (c *Cluster) addTLS(p map[string]string) {
	p["ssl.keystore.type"] = "PEM"
	p["ssl.keystore.location"] = c.certs.serverKeystore
	p["ssl.truststore.type"] = "PEM"
	p["ssl.truststore.location"] = c.certs.ca
	p["ssl.client.auth"] = "none"
	if c.cfg.ClientAuth {
		p["listener.name."+strings.ToLower(listeners[ssl])+".ssl.client.auth"] = "required"
	}
}
