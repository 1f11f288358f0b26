package cli

import (
	"millrace/cmd/millrace/config"
	consumer "millrace/consumers/group"
)

// ownServices are the services of your own, a line each. README shows one in full.
func ownServices() []keyedService {
	return []keyedService{
		// own(yours.Service(), "What it does"),
	}
}

// own wires a service that has no settings but how it is run, which are those of section own. Its consumer group is the one of that
// section with the service's name. One that calls others wants a section for its address and credentials: see builtinServices.
//
//nolint:unused // it is for the lines above, of which millrace itself has none
func own(svc consumer.Service, short string) keyedService {
	return keyedService{
		name: svc.Name, short: short, long: short + ".", example: "  millrace consume " + svc.Name,
		section: "own", topics: always(svc.Topics), state: true,
		config: func(c *config.Config) *consumer.Config { return &c.Own.Consumer },
		group:  func(c *config.Config) string { return c.Own.Consumer.Member.Group + "-" + svc.Name },
		build:  func(*service) (consumer.Service, error) { return svc, nil },
	}
}
