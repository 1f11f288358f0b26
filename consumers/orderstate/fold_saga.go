package orderstate

import (
	"slices"
	"strings"

	"millrace/schemas"
)

// sagaPart takes an event of a saga.
func (s *State) sagaPart(data schemas.OrderEventData, stamp Stamp) (v Verdict, ok bool) {
	switch d := data.(type) {
	case *schemas.SagaStarted:
		return s.saga(d.SagaRef, Saga{Status: SagaRunning, Plan: d.Steps}, nil, stamp), true
	case *schemas.StepRequested:
		return s.step(d.SagaStep, StepRequested, "", stamp), true
	case *schemas.StepCompleted:
		return s.step(d.SagaStep, StepDone, "", stamp), true
	case *schemas.StepFailed:
		return s.step(d.SagaStep, StepFailed, strings.TrimSpace(d.Class+" "+d.Error), stamp), true
	case *schemas.SagaCompensating:
		return s.saga(d.SagaRef, Saga{Status: SagaCompensating}, nil, stamp), true
	case *schemas.SagaCompleted:
		return s.saga(d.SagaRef, Saga{Status: SagaCompleted}, nil, stamp), true
	case *schemas.SagaCompensated:
		return s.saga(d.SagaRef, Saga{Status: SagaCompensated}, nil, stamp), true
	case *schemas.SagaParked:
		return s.saga(d.SagaRef, Saga{Status: SagaParked}, nil, stamp), true
	case *schemas.SagaAborted:
		return s.saga(d.SagaRef, Saga{Status: SagaAborted}, nil, stamp), true
	default:
		return "", false
	}
}

func (s *State) step(ref schemas.SagaStep, status, problem string, stamp Stamp) Verdict {
	n := Saga{Status: SagaRunning}
	if ref.Compensation {
		n.Status = SagaCompensating
	}
	return s.saga(ref.SagaRef, n, &Step{Step: ref.Step, Compensation: ref.Compensation, Status: status, Error: problem}, stamp)
}

// saga joins what an event says of a run: how it stands, by the highest number, its plan, and one step.
func (s *State) saga(ref schemas.SagaRef, n Saga, step *Step, stamp Stamp) Verdict {
	stamp.Seq = ref.Seq
	at, found := slices.BinarySearchFunc(s.Sagas, ref.Saga, func(k Saga, name string) int {
		switch {
		case k.Saga < name:
			return -1
		case k.Saga > name:
			return 1
		default:
			return 0
		}
	})
	if !found {
		s.Sagas = slices.Insert(s.Sagas, at, Saga{Saga: ref.Saga})
	}
	k := &s.Sagas[at]
	changed := false
	if n.Plan != nil && stamp.Compare(&k.Since) > 0 {
		k.Plan, k.Since, changed = n.Plan, stamp, true
	}
	if step != nil {
		step.Stamp = stamp
		var stepped bool
		k.Steps, stepped = put(k.Steps, *step)
		changed = changed || stepped
	}
	if stamp.Compare(&k.Stamp) > 0 {
		k.Stamp, k.Status, changed = stamp, n.Status, true
	}
	return verdict(changed, Older)
}
