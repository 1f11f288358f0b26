package schemas

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Limits on size, in bytes. The broker checks the size of a batch as it is stored; the least that a topic must take is one
// record with the largest body and its headers.
const (
	MaxBodyBytes    = 10 << 20 // largest body that ingest accepts
	recordRoomBytes = 64 << 10 // key, headers and the framing of a batch of one
	MaxMessageBytes = MaxBodyBytes + recordRoomBytes
)

// Bounds of PlanOptions.
const (
	maxPartitions  = 10_000           // a slip of the finger, far above what one topic needs
	maxReplication = 16               // a slip of the finger, far above what one cluster has
	minRetention   = 10 * time.Minute // less would delete what a short outage of a consumer has left unread
	// RetentionForever keeps records until something else removes them.
	RetentionForever time.Duration = -1
)

// TopicSpec is one Kafka topic as it should be.
type TopicSpec struct {
	Name        string
	Partitions  int32
	Replication int16
	Configs     map[string]string // Kafka's topic settings
}

// PlanOptions are the choices in a topic plan. Its tags let a configuration section be decoded into it.
type PlanOptions struct {
	Partitions           int32         `mapstructure:"partitions" help:"Partitions of every topic; it cannot be changed later without breaking the order of events already written."`
	Replication          int16         `mapstructure:"replication" help:"Copies of every partition; not more than there are brokers."`
	MinInsyncReplicas    int           `mapstructure:"min_insync_replicas" help:"Copies that must have a record before it counts as written; from 1 to replication."`
	Retention            time.Duration `mapstructure:"retention" help:"How long events are kept, at least 10m; -1ns keeps them forever."`
	QuarantineRetention  time.Duration `mapstructure:"quarantine_retention" help:"How long deliveries that could not be parsed are kept, at least 10m; -1ns keeps them forever."`
	ActivityRetention    time.Duration `mapstructure:"activity_retention" help:"How long records of what services did with events are kept, at least 10m; -1ns keeps them forever."`
	OrderEventsRetention time.Duration `mapstructure:"order_events_retention" help:"How long events of orders (millrace.order_events) are kept, at least 10m; -1ns keeps them forever. What is removed can no longer be shown, or rebuilt, from Kafka."`
}

// DefaultPlanOptions returns the plan for a cluster of three brokers or more: it survives the loss of one without losing
// writes or records. Quarantine is kept for longer, since it waits for a person, and events of orders for ever: an order is what its
// events say.
func DefaultPlanOptions() PlanOptions {
	const day = 24 * time.Hour
	return PlanOptions{
		Partitions: 24, Replication: 3, MinInsyncReplicas: 2,
		Retention: 7 * day, QuarantineRetention: 30 * day, ActivityRetention: 7 * day, OrderEventsRetention: RetentionForever,
	}
}

// Validate returns all problems at once, each with its key in front.
func (o PlanOptions) Validate() error {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if o.Partitions < 1 || o.Partitions > maxPartitions {
		report("partitions must be from 1 to %d, is %d", maxPartitions, o.Partitions)
	}
	if o.Replication < 1 || o.Replication > maxReplication {
		report("replication must be from 1 to %d, is %d", maxReplication, o.Replication)
	}
	if o.MinInsyncReplicas < 1 || o.MinInsyncReplicas > max(int(o.Replication), 1) {
		report("min_insync_replicas must be from 1 to replication (%d), is %d", o.Replication, o.MinInsyncReplicas)
	}
	if !validRetention(o.Retention) {
		report("retention must be at least %s, or -1ns for no limit, is %s", minRetention, o.Retention)
	}
	if !validRetention(o.QuarantineRetention) {
		report("quarantine_retention must be at least %s, or -1ns for no limit, is %s", minRetention, o.QuarantineRetention)
	}
	if !validRetention(o.OrderEventsRetention) {
		report("order_events_retention must be at least %s, or -1ns for no limit, is %s", minRetention, o.OrderEventsRetention)
	}
	if !validRetention(o.ActivityRetention) {
		report("activity_retention must be at least %s, or -1ns for no limit, is %s", minRetention, o.ActivityRetention)
	}
	return errors.Join(problems...)
}

func validRetention(d time.Duration) bool { return d == RetentionForever || d >= minRetention }

// TopicPlan returns the topics that ingest writes to: one for each domain and, last, the quarantine. The error is that of
// Validate.
func TopicPlan(o PlanOptions) ([]TopicSpec, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("plan topics: %w", err)
	}
	plan := make([]TopicSpec, 0, len(Domains())+1)
	for _, d := range append(Domains(), DomainQuarantine) {
		retention := o.Retention
		if d == DomainQuarantine {
			retention = o.QuarantineRetention
		}
		plan = append(plan, TopicSpec{Name: d.KafkaTopic(), Partitions: o.Partitions, Replication: o.Replication, Configs: topicConfigs(o, retention)})
	}
	return plan, nil
}

// maxActivityBytes is what a batch of activity records may have: Kafka's own default, and that of its clients.
const maxActivityBytes = 1 << 20

// ActivityTopics returns the topic to which services write what they did; see ActivityTopic. The error is that of Validate.
func ActivityTopics(o PlanOptions) ([]TopicSpec, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("plan topic %s: %w", ActivityTopic, err)
	}
	configs := topicConfigs(o, o.ActivityRetention)
	configs["max.message.bytes"] = strconv.Itoa(maxActivityBytes)
	return []TopicSpec{{Name: ActivityTopic, Partitions: o.Partitions, Replication: o.Replication, Configs: configs}}, nil
}

// OrderEventsTopics returns the event store; see OrderEventsTopic. The error is that of Validate.
func OrderEventsTopics(o PlanOptions) ([]TopicSpec, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("plan topic %s: %w", OrderEventsTopic, err)
	}
	return []TopicSpec{{Name: OrderEventsTopic, Partitions: o.Partitions, Replication: o.Replication, Configs: topicConfigs(o, o.OrderEventsRetention)}}, nil
}

func topicConfigs(o PlanOptions, retention time.Duration) map[string]string {
	millis := int64(-1)
	if retention != RetentionForever {
		millis = retention.Milliseconds()
	}
	return map[string]string{
		"cleanup.policy": "delete",
		// The broker keeps what the producer compressed: recompressing would cost it CPU and us nothing but latency.
		"compression.type":    "producer",
		"max.message.bytes":   strconv.Itoa(MaxMessageBytes),
		"min.insync.replicas": strconv.Itoa(o.MinInsyncReplicas),
		"retention.ms":        strconv.FormatInt(millis, 10),
	}
}
