package deadletter

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/consumers/group/internal/logread"
	"millrace/schemas"
)

// askTimeout bounds one question to the cluster about its topics.
const askTimeout = 30 * time.Second

// ErrUnknownGroup is returned, wrapped, by Open for a group that has no dead-letter topic.
var ErrUnknownGroup = errors.New("no dead-letter topic of this consumer group")

// Options are what a caller may leave out.
type Options struct {
	// Progress is called about ten times a second while a call reads or writes for long, with what it is at and how far. Calls do
	// not overlap. nil: never.
	Progress func(stage string, done, total int64)
	// NoWayBack says that the group puts nothing off and takes nothing back: it has no retry topics. Its letters can be dropped.
	NoWayBack bool
}

// ErrNoWayBack is returned, wrapped, by Redrive for a group with Options.NoWayBack.
var ErrNoWayBack = errors.New("the group takes no dead letter back: what it could not store stays in its source topic and here; drop the letter when it is dealt with")

// Stages of Options.Progress.
const (
	StageReading = "reading" // in offsets of the logs
	StageWriting = "writing" // in letters
)

// Book is the dead letters and waiting events of one consumer group. It is safe for concurrent use.
type Book struct {
	group   string
	kafka   []kgo.Opt
	client  *kgo.Client
	admin   *kadm.Client
	reader  *logread.Reader
	sources []source
	// activity: schemas.ActivityTopic is there.
	activity bool
	seed     maphash.Seed
	o        Options
}

// source is a topic that the group reads, as its dead-letter topic tells.
type source struct {
	topic         string
	events, retry int32 // partitions of the topic itself and of the retry topic; 0: it is not there, or may not be seen
}

// Open finds the topics of the group: all whose name ends with .<group>.dlq. kafka is how to connect. Close the Book.
func Open(ctx context.Context, kafka []kgo.Opt, group string, o Options) (*Book, error) {
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, fmt.Errorf("open dead letters of %s: %w", group, err)
	}
	b := &Book{group: group, kafka: kafka, client: client, admin: kadm.NewClient(client), reader: logread.New(client), seed: maphash.MakeSeed(), o: o}
	topics, err := partitionsOf(ctx, b.admin)
	if err != nil {
		client.Close()
		return nil, err
	}
	b.activity = topics[schemas.ActivityTopic] > 0
	for name := range topics {
		if topic, g := split(topics, name, group); topic != "" && g == group {
			b.sources = append(b.sources, source{topic, topics[topic], topics[schemas.RetryTopic(topic, group)]})
		}
	}
	if len(b.sources) == 0 {
		client.Close()
		return nil, fmt.Errorf("%w: there is no topic <source topic>.%s%s, or this user may not see it (that needs DESCRIBE); %s",
			ErrUnknownGroup, group, dlqSuffix, known(topics))
	}
	slices.SortFunc(b.sources, func(x, y source) int { return strings.Compare(x.topic, y.topic) })
	return b, nil
}

// Close ends the connections.
func (b *Book) Close() { b.client.Close() }

// Group returns the consumer group.
func (b *Book) Group() string { return b.group }

// Topics returns the Kafka topics whose events may be dead letters of the group.
func (b *Book) Topics() []string {
	var topics []string
	for _, s := range b.sources {
		topics = append(topics, s.topic)
	}
	return topics
}

// Groups returns the consumer groups that have dead-letter topics, sorted.
func Groups(ctx context.Context, kafka []kgo.Opt) ([]string, error) {
	client, err := kgo.NewClient(kafka...)
	if err != nil {
		return nil, fmt.Errorf("list groups with dead letters: %w", err)
	}
	defer client.Close()
	topics, err := partitionsOf(ctx, kadm.NewClient(client))
	if err != nil {
		return nil, err
	}
	return groupsIn(topics), nil
}

func groupsIn(topics map[string]int32) []string {
	var groups []string
	for name := range topics {
		if _, group := split(topics, name, ""); group != "" {
			groups = append(groups, group)
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

func known(topics map[string]int32) string {
	groups := groupsIn(topics)
	if len(groups) == 0 {
		return "no group here has one: a service's topics are made by `millrace topics apply`"
	}
	return "groups that have one: " + strings.Join(groups, ", ")
}

// partitionsOf returns the number of partitions of every topic that the user may see.
func partitionsOf(ctx context.Context, admin *kadm.Client) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	topics := map[string]int32{}
	for name, t := range list {
		if t.Err == nil {
			topics[name] = int32(len(t.Partitions)) //nolint:gosec // Kafka counts them in an int32
		}
	}
	return topics, nil
}

const dlqSuffix = ".dlq"

// split takes the name of a dead-letter topic apart. Topics and groups may both have dots in their names, so what counts is which
// part is a topic, the longest if there are several; where none is, because it was deleted or may not be seen, it is the part
// that leaves the group asked for, else the last word. The group is "" for a name of another kind.
func split(topics map[string]int32, name, asked string) (topic, group string) {
	rest, ok := strings.CutSuffix(name, dlqSuffix)
	if !ok {
		return "", ""
	}
	for i := strings.LastIndexByte(rest, '.'); i > 0; i = strings.LastIndexByte(rest[:i], '.') {
		if _, ok := topics[rest[:i]]; ok && i < len(rest)-1 {
			return rest[:i], rest[i+1:]
		}
	}
	if topic, ok := strings.CutSuffix(rest, "."+asked); ok && topic != "" && asked != "" {
		return topic, asked
	}
	if i := strings.LastIndexByte(rest, '.'); i > 0 && i < len(rest)-1 {
		return rest[:i], rest[i+1:]
	}
	return "", ""
}
