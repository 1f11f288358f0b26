package schemas

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// Topics that belong to a consumer group. Each has the partitions of the topic it stands beside, and a record stands in the
// partition with the number of its source.
//
// The state topic is one per source topic, not one per group: a group that reads two topics may have partition p of one at one
// member and partition p of the other at another, and each must be able to restore its part without the other's.

// RetryTopic holds what a group has put off: its key is RetryKey, its value the body; a record without a value (null) says that the
// event is no longer waiting. It is compacted, so a place that must be kept without a body (HeaderRetryParked) has an empty value,
// never null: the broker would remove a null one with the tombstones, a day later.
func RetryTopic(topic, group string) string { return topic + "." + group + ".retry" }

// DeadLetterTopic holds what a group gave up: key, value and headers are the source record's, with the headers HeaderSource*,
// HeaderError* and so on added; where the value is left out (ClassTooLarge), so are the source record's headers. A record with
// HeaderResolution says that the letters before it with the same source offset are settled; an event that fails again after it was
// redriven is a new letter. The topic's own name tells the source topic and the record's partition the source partition, so a
// letter is named by the source offset in its headers, and a record without one is none.
func DeadLetterTopic(topic, group string) string { return topic + "." + group + ".dlq" }

// StateTopic holds the newest state of each key. It is compacted.
func StateTopic(topic, group string) string { return topic + "." + group + ".state" }

// RetryKey is the key of a waiting event: unique, so that compaction keeps each until it is settled.
func RetryKey(key []byte, offset int64) []byte { return fmt.Appendf(nil, "%s#%d", key, offset) }

// SplitRetryKey is the inverse of RetryKey; ok is false for a key that is none.
func SplitRetryKey(retryKey []byte) (key []byte, offset int64, ok bool) {
	i := bytes.LastIndexByte(retryKey, '#')
	if i < 0 {
		return retryKey, 0, false
	}
	offset, err := strconv.ParseInt(string(retryKey[i+1:]), 10, 64)
	if err != nil || offset < 0 {
		return retryKey, 0, false
	}
	return retryKey[:i], offset, true
}

// groupHeaderPrefix begins the name of every header below.
const groupHeaderPrefix = "millrace_"

// IsGroupHeader tells the headers that a consumer group has added to a record from those that the event came with.
func IsGroupHeader(name string) bool { return strings.HasPrefix(name, groupHeaderPrefix) }

// Headers that a record in a retry or dead-letter topic carries beside its own. Times are RFC 3339, UTC, nanoseconds; numbers are
// decimal. GroupHeaders describes each.
const (
	HeaderSourceTopic     = "millrace_source_topic"
	HeaderSourcePartition = "millrace_source_partition"
	HeaderSourceOffset    = "millrace_source_offset"
	HeaderAttempts        = "millrace_attempts"      // tries that burned an attempt
	HeaderFirstFailure    = "millrace_first_failure" // time
	HeaderLastFailure     = "millrace_last_failure"  // time
	HeaderErrorClass      = "millrace_error_class"   // one of ErrorClasses
	HeaderError           = "millrace_error"         // text, cut at 1000 bytes

	HeaderRetryDue    = "millrace_retry_due"    // time; missing: behind another event of its key
	HeaderRetrySince  = "millrace_retry_since"  // time since which it is put off without an attempt burned; missing: it is not
	HeaderRetryAside  = "millrace_retry_aside"  // "1": it waits for another event, and lets the later ones of its key pass
	HeaderRetryParked = "millrace_retry_parked" // "1": the dead head of a parked key, with an empty value; what is behind it waits for a person
	// HeaderRetryBy is set on records that a person's tool wrote: "redrive" and "replay" (with the body) or "drop" (without a value). The
	// owner of the partition follows them; records without it are its own.
	HeaderRetryBy = "millrace_retry_by"
	// HeaderReplay is the id of the replay for which the event is handled again. It stays with the event until that is settled, in the
	// dead-letter topic too: whoever handles the event must not take it for a repeat.
	HeaderReplay = "millrace_replay"

	HeaderResolution     = "millrace_resolution"      // in a dead-letter topic: redriven or dropped; the record has no value
	HeaderResolutionBy   = "millrace_resolution_by"   // user@host
	HeaderResolutionTime = "millrace_resolution_time" // time
)

// Values of HeaderRetryBy and HeaderResolution.
const (
	RetryByRedrive     = "redrive"
	RetryByReplay      = "replay"
	RetryByDrop        = "drop"
	ResolutionRedriven = "redriven"
	ResolutionDropped  = "dropped"
)

// Values of HeaderErrorClass: why an event became a dead letter.
const (
	ClassPermanent  = "permanent"  // the handler said that no repeat can help
	ClassExhausted  = "exhausted"  // the last attempt of the schedule failed
	ClassNotReady   = "not_ready"  // what the event needs did not come in time
	ClassPanic      = "panic"      // the handler panicked
	ClassUnreadable = "unreadable" // the record's headers are not those of an event
	ClassTooLarge   = "too_large"  // too large to be put off or set aside with its body: the letter has the key, but neither value nor headers of the event
)

// ErrorClasses returns the values of HeaderErrorClass.
func ErrorClasses() []string {
	return []string{ClassPermanent, ClassExhausted, ClassNotReady, ClassPanic, ClassUnreadable, ClassTooLarge}
}

// DeadLetterRoomBytes is what the added headers of a retry record or dead letter may take beyond the largest event.
const DeadLetterRoomBytes = 16 << 10

// GroupTopics returns the topics of a group that reads topics: retry and dead letters for each, and state where it keeps some.
// The error is that of PlanOptions.Validate.
func GroupTopics(group string, topics []string, state bool, o PlanOptions) ([]TopicSpec, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("plan topics of group %s: %w", group, err)
	}
	var plan []TopicSpec
	for _, t := range topics {
		// A waiting event must never expire, however long it waits: compaction removes what is settled, and segments are rolled
		// early so that it can.
		compacted := map[string]string{"cleanup.policy": "compact", "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.2"}
		plan = append(plan, groupTopic(RetryTopic(t, group), o, compacted), groupTopic(DeadLetterTopic(t, group), o, nil))
		if state {
			plan = append(plan, groupTopic(StateTopic(t, group), o, compacted))
		}
	}
	return plan, nil
}

// DeadLetterTopics returns the topics of a group that has dead letters alone, as the sink of analytics: it keeps what it cannot do yet
// where it is, so nothing waits elsewhere. The error is that of PlanOptions.Validate.
func DeadLetterTopics(group string, topics []string, o PlanOptions) ([]TopicSpec, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("plan topics of group %s: %w", group, err)
	}
	var plan []TopicSpec
	for _, t := range topics {
		plan = append(plan, groupTopic(DeadLetterTopic(t, group), o, nil))
	}
	return plan, nil
}

// ServiceTopic returns a topic that a service keeps to itself, for what it is to do later. It is kept for as long as the domains' topics: a
// service that has not read it for that long has lost events as well. The error is that of PlanOptions.Validate.
func ServiceTopic(name string, o PlanOptions) (TopicSpec, error) {
	if err := o.Validate(); err != nil {
		return TopicSpec{}, fmt.Errorf("plan topic %s: %w", name, err)
	}
	return TopicSpec{Name: name, Partitions: o.Partitions, Replication: o.Replication, Configs: topicConfigs(o, o.Retention)}, nil
}

// groupTopic is kept until a person removes what is in it, unless configs say otherwise: no event is lost.
func groupTopic(name string, o PlanOptions, configs map[string]string) TopicSpec {
	c := topicConfigs(o, RetentionForever)
	c["max.message.bytes"] = strconv.Itoa(MaxMessageBytes + DeadLetterRoomBytes)
	maps.Copy(c, configs)
	return TopicSpec{Name: name, Partitions: o.Partitions, Replication: o.Replication, Configs: c}
}
