// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

func TestEvents(t *testing.T) {
	conn := connect(t)
	ctx, cancel := context.WithCancel(within(t))
	events := conn.Events(ctx)

	v := volume(t, conn, "a", mib)
	write(t, v, noise(1, mib), 0)
	job := must(v.Copy(ctx, "b", nil))(t)
	made := must(job.Wait(ctx))(t)
	ok(t, v.Delete(ctx))

	// All of it is there, in order, although nobody has listened till now.
	var last replicant.Event
	seen := map[string]bool{}
	states := []replicant.JobState{}
	for e, err := range events {
		ok(t, err)
		if e.Sequence <= last.Sequence {
			t.Errorf("%+v after %+v", e, last)
		}
		if age := time.Since(e.Time); age > time.Minute || age < -time.Second {
			t.Errorf("%+v", e)
		}
		last = e
		switch e.Kind {
		case replicant.EventJobState:
			if e.ObjectID != job.ID {
				t.Errorf("%+v", e)
			}
			states = append(states, replicant.JobState(e.NewState))
		case replicant.EventVolume:
			seen[e.ObjectID] = true
		}
		if seen[v.ID] && seen[made.ID] && len(states) > 0 && states[len(states)-1].Ended() {
			break
		}
	}
	if states[len(states)-1] != replicant.JobDone {
		t.Error(states)
	}

	// A loop that is over gives the queue back; another begins anew.
	for _, err := range events {
		is(t, err, os.ErrClosed)
	}
	again := conn.Events(ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	n := 0
	for e, err := range again {
		if n++; err != context.Canceled {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if n != 1 {
		t.Error(n)
	}
	for _, err := range conn.Events(ctx) {
		is(t, err, context.Canceled)
	}
}

// Each listener has its own queue, and none takes a thread.
func TestManyListeners(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	var ready, all sync.WaitGroup
	before := threads(t)
	for range 50 {
		ready.Add(1)
		all.Add(1)
		go func() {
			defer all.Done()
			events := conn.Events(ctx)
			ready.Done()
			for e, err := range events {
				if err != nil {
					t.Error(err)
				}
				if e.Kind == replicant.EventVolume {
					return
				}
			}
		}()
	}
	ready.Wait()
	time.Sleep(50 * time.Millisecond)
	if during := threads(t); during > before+20 {
		t.Errorf("%d threads before, %d while 50 goroutines listen", before, during)
	}
	volume(t, conn, "a", mib)
	all.Wait()
}

// Events that nobody takes are lost in the end, and one event says so.
func TestEventsLost(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "a", 4096)
	events := conn.Events(ctx)
	const changes = 6000
	start := time.Now()
	for i := range changes {
		var err error
		if i%2 == 0 {
			err = v.Disable(ctx)
		} else {
			err = v.Enable(ctx)
		}
		ok(t, err)
		if time.Since(start) > 20*time.Second {
			t.Skip("6,000 changes take too long here")
		}
	}
	n := 0
	for e, err := range events {
		ok(t, err)
		if n++; e.Kind == replicant.EventLost {
			if e.ObjectID != "" {
				t.Errorf("%+v", e)
			}
			return
		}
		if n == changes {
			t.Skip("the queue holds that many")
		}
	}
}
