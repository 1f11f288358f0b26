package topicplan

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/schemas"
)

// Apply makes the cluster behind cl what p says: it creates what is missing, sets what differs, and waits (15 s at most) until
// the brokers know. With a conflict in p it changes nothing and returns p.Err(): a cluster whose topics were made by another
// plan may be the wrong cluster.
//
// It goes on after a topic fails, and joins the errors. A topic that another process has created meanwhile is no error if
// it is as wanted.
func Apply(ctx context.Context, cl *kgo.Client, p Plan) error {
	if err := p.Err(); err != nil {
		return err
	}
	adm := kadm.NewClient(cl)
	var errs []error
	alter := map[string][]kadm.AlterConfig{}
	var altered []string
	var changed []schemas.TopicSpec
	for _, c := range p.Changes {
		switch c.Kind {
		case Create:
			if err := create(ctx, adm, p.wanted[c.Topic]); err != nil {
				errs = append(errs, err)
			} else {
				changed = append(changed, p.wanted[c.Topic])
			}
		case SetConfig:
			if alter[c.Topic] == nil {
				altered = append(altered, c.Topic)
			}
			alter[c.Topic] = append(alter[c.Topic], kadm.AlterConfig{Op: kadm.SetConfig, Name: c.Setting, Value: &c.Want})
		default: // a warning asks for nothing
		}
	}
	for _, topic := range altered {
		if err := setConfigs(ctx, adm, topic, alter[topic]); err != nil {
			errs = append(errs, err)
		} else {
			changed = append(changed, p.wanted[topic])
		}
	}
	if len(changed) > 0 {
		errs = append(errs, waitVisible(ctx, cl, changed))
	}
	return errors.Join(errs...)
}

func create(ctx context.Context, adm *kadm.Client, w schemas.TopicSpec) error {
	configs := make(map[string]*string, len(w.Configs))
	for k, v := range w.Configs {
		configs[k] = &v
	}
	response, err := adm.CreateTopic(ctx, w.Partitions, w.Replication, configs, w.Name)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return fmt.Errorf("create topic %s: %w", w.Name, withMessage(err, response.ErrMessage))
}

func setConfigs(ctx context.Context, adm *kadm.Client, topic string, configs []kadm.AlterConfig) error {
	responses, err := adm.AlterTopicConfigs(ctx, configs, topic)
	if err != nil {
		return fmt.Errorf("set configs of topic %s: %w", topic, err)
	}
	for _, r := range responses {
		if r.Err != nil {
			return fmt.Errorf("set configs of topic %s: %w", topic, withMessage(r.Err, r.ErrMessage))
		}
	}
	return nil
}

// withMessage adds what the broker has to say beyond the error's code.
func withMessage(err error, message string) error {
	if message == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, message)
}
