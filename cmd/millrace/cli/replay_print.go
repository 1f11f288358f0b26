package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/consumers/group/replay"
)

// replayJSON is a replay for scripts. Fields are only ever added.
type replayJSON struct {
	ID      string    `json:"id,omitempty"` // empty with --dry-run, unless it is one that was begun
	Result  string    `json:"result"`       // done, interrupted, failed, would_replay; with --list done or open
	Service string    `json:"service"`
	Group   string    `json:"group"`
	Topics  []string  `json:"topics"`
	Began   time.Time `json:"began"`
	By      string    `json:"by"`

	ShopifyTopics []string   `json:"shopify_topics,omitempty"`
	Shops         []string   `json:"shops,omitempty"`
	Entities      []string   `json:"entities,omitempty"`
	From          *time.Time `json:"from,omitempty"`
	To            *time.Time `json:"to,omitempty"`

	Chosen  int64            `json:"chosen"`
	Written int64            `json:"written"` // given to the service; with would_replay what would be
	Skipped map[string]int64 `json:"skipped,omitempty"`
	Passed  int64            `json:"passed"` // offsets of the topics
	Total   int64            `json:"total"`

	ByShopifyTopic map[string]int64 `json:"by_shopify_topic,omitempty"` // of would_replay
	ByPartition    map[string]int64 `json:"by_partition,omitempty"`
}

func replayToJSON(run *replay.Run, result string) replayJSON {
	s, r := run.Selection(), run.Result()
	return replayJSON{
		ID: run.ID(), Result: result, Service: s.Service, Group: s.Group, Topics: s.Topics, Began: run.Began(), By: s.By,
		ShopifyTopics: s.ShopifyTopics, Shops: s.Shops, Entities: s.Entities, From: given(s.From), To: given(s.To),
		Chosen: r.Chosen, Written: r.Written, Skipped: r.Skipped, Passed: r.Passed, Total: r.Total,
	}
}

// preview says what would be done.
func (d *replayDesk) preview(run *replay.Run, c *replay.Count) error {
	out, s := d.app.p.Stdout, run.Selection()
	if d.f.asJSON {
		if !d.f.dry {
			return nil
		}
		j := replayToJSON(run, "would_replay")
		if d.f.resume == "" {
			j.ID = "" // it will never be
		}
		j.Chosen, j.Written, j.Skipped, j.ByShopifyTopic, j.ByPartition = c.Chosen, c.Open(), c.Skipped, c.Topics, map[string]int64{}
		for _, p := range c.Places {
			j.ByPartition[p.Topic+"/"+strconv.Itoa(int(p.Partition))] = p.Chosen
		}
		return jsonLine(out, j)
	}
	if c.Chosen > 0 {
		rows := newTable(out, "SHOPIFY TOPIC", "EVENTS")
		for _, topic := range slices.Sorted(maps.Keys(c.Topics)) {
			if err := rows.row(topic, strconv.FormatInt(c.Topics[topic], 10)); err != nil {
				return err
			}
		}
		if err := rows.w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
		rows = newTable(out, "PARTITION", "EVENTS")
		for _, p := range c.Places {
			if err := rows.row(fmt.Sprintf("%s/%d", p.Topic, p.Partition), strconv.FormatInt(p.Chosen, 10)); err != nil {
				return err
			}
		}
		if err := rows.w.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	line := fmt.Sprintf("%s to replay to %s (%s)", many(int(c.Open()), "event", "events"), s.Service, s.Group)
	if d.f.rate > 0 && c.Open() > 0 {
		took := time.Duration(float64(c.Open()) / d.f.rate * float64(time.Second))
		line += fmt.Sprintf(", in %s or more", max(took.Round(time.Second), time.Second))
	}
	if _, err := fmt.Fprintln(out, line+leftAlone(c.Skipped)); err != nil || !d.f.dry {
		return err
	}
	_, err := fmt.Fprintln(out, "dry run: nothing was done")
	return err
}

// leftAlone tells what is skipped.
func leftAlone(skipped map[string]int64) string {
	var parts []string
	sum := int64(0)
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		parts = append(parts, fmt.Sprintf("%d %s", skipped[reason], reason))
		sum += skipped[reason]
	}
	if sum == 0 {
		return ""
	}
	return fmt.Sprintf("; %d left alone: %s", sum, strings.Join(parts, ", "))
}

// summary says what came of a replay.
func (d *replayDesk) summary(run *replay.Run, word string) error {
	out := d.app.p.Stdout
	if d.f.asJSON {
		return jsonLine(out, replayToJSON(run, word))
	}
	s, r := run.Selection(), run.Result()
	fmt.Fprintf(out, "replay %s %s: %s given to %s%s\n", run.ID(), word, many(int(r.Written), "event", "events"), s.Service, leftAlone(r.Skipped))
	if word != "done" {
		_, err := fmt.Fprintf(out, "go on with: millrace replay --resume %s\n", run.ID())
		return err
	}
	if r.Written == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "those that it has not handled yet: millrace retry list --service %s\n", s.Service)
	return err
}

// list shows the runs that Kafka remembers.
func (d *replayDesk) list(ctx context.Context) error {
	out := d.app.p.Stdout
	runs, err := d.List(ctx)
	if err != nil {
		return err
	}
	if len(runs) == 0 && !d.f.asJSON {
		_, err := fmt.Fprintln(out, "no replay: Kafka remembers none")
		return err
	}
	rows := newTable(out, "ID", "SERVICE", "BEGAN", "BY", "STATE", "CHOSEN", "WRITTEN", "SKIPPED")
	for _, run := range runs {
		s, r := run.Selection(), run.Result()
		state := "open"
		if r.Done() {
			state = "done"
		}
		if d.f.asJSON {
			if err := jsonLine(out, replayToJSON(run, state)); err != nil {
				return err
			}
			continue
		}
		if !r.Done() {
			state = fmt.Sprintf("open, %d%%", 100*r.Passed/max(r.Total, 1))
		}
		skipped := int64(0)
		for _, n := range r.Skipped {
			skipped += n
		}
		err := rows.row(run.ID(), s.Service, stamp(run.Began()), s.By, state, strconv.FormatInt(r.Chosen, 10), strconv.FormatInt(r.Written, 10), strconv.FormatInt(skipped, 10))
		if err != nil {
			return err
		}
	}
	if d.f.asJSON {
		return nil
	}
	return rows.w.Flush()
}
