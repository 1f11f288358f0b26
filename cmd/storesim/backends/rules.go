package backends

import (
	"sync"

	"millrace/cmd/storesim/backends/faults"
)

// rules holds the faults in force and hands changes to the injectors.
type rules struct {
	injectors map[string]*faults.Injector

	mu  sync.Mutex
	set faults.Set
}

func newRules(seed uint64, set faults.Set) *rules {
	r := &rules{injectors: map[string]*faults.Injector{}}
	for _, backend := range faults.Backends() {
		r.injectors[backend] = faults.NewInjector(backend, seed)
	}
	r.apply(set)
	return r
}

func (r *rules) get() faults.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}

// replace puts all rules in place of those there are.
func (r *rules) replace(set faults.Set) error {
	if err := set.Validate(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apply(set)
	return nil
}

// change sets one rule anew, or removes it when rule is nil. known is false when there is no such backend.
func (r *rules) change(backend, name string, rule *faults.Rule) (known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set, known := r.set.With(backend, name, rule)
	if !known {
		return false, nil
	}
	if err := set.Validate(); err != nil {
		return true, err
	}
	r.apply(set)
	r.injectors[backend].Restart(name)
	return true, nil
}

func (r *rules) apply(set faults.Set) {
	r.set = set
	for _, in := range r.injectors {
		in.Set(&set)
	}
}
