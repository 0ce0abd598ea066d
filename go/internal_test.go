// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"
)

// C counts without a sign, and has times in milliseconds; nothing wraps around.
func TestNumbers(t *testing.T) {
	for n, want := range map[uint64]int64{0: 0, 1: 1, math.MaxInt64: math.MaxInt64, 1 << 63: math.MaxInt64, math.MaxUint64: math.MaxInt64} {
		if signed(n) != want {
			t.Error(n, signed(n))
		}
	}
	for d, want := range map[time.Duration]uint32{
		-1: 0, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000,
		math.MaxInt64: math.MaxUint32, math.MinInt64: 0,
	} {
		if milliseconds(d) != want {
			t.Error(d, milliseconds(d))
		}
	}
	for ms, want := range map[uint64]time.Duration{0: 0, 1500: 1500 * time.Millisecond, math.MaxUint64: math.MaxInt64 / 1000000 * 1000000} {
		if duration(ms) != want {
			t.Error(ms, duration(ms))
		}
	}
	if !instant(0).IsZero() || !instant(1500).Equal(time.Unix(1, 5e8)) {
		t.Error(instant(0), instant(1500))
	}
	if _, err := unsigned("x", -1); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

// Several searches find what each of them finds.
func TestListed(t *testing.T) {
	lists := map[string][]string{"": {"a", "b", "c"}, "1": {"c", "a"}, "2": {"b", "c"}, "3": nil}
	broken := errors.New("broken")
	list := func(s Search) ([]string, error) {
		found, ok := lists[s.Key]
		if !ok {
			return nil, broken
		}
		return slices.Clone(found), nil
	}
	id := func(s string) string { return s }
	for _, c := range []struct {
		keys []string
		want []string
		err  error
	}{
		{nil, []string{"a", "b", "c"}, nil},
		{[]string{"1"}, []string{"c", "a"}, nil},
		{[]string{"1", "2"}, []string{"c"}, nil},
		{[]string{"1", "2", "3"}, nil, nil},
		{[]string{"x"}, nil, broken},
		{[]string{"1", "x"}, nil, broken},
		{[]string{"x", "1"}, nil, broken},
	} {
		var searches []Search
		for _, key := range c.keys {
			searches = append(searches, Search{Key: key})
		}
		found, err := listed(searches, id, list)
		if err != c.err || err == nil && !slices.Equal(found, c.want) {
			t.Error(c.keys, found, err)
		}
	}
}

func root(t *testing.T) *Conn {
	conn, err := Connect(context.Background(), "dir://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func copyOf(t *testing.T, conn *Conn, rate int64) *Job {
	v, err := conn.CreateVolume(context.Background(), "a", 8<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := v.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := int64(0); off < v.Size; off += 4096 {
		if _, err := f.WriteAt([]byte("not zero"), off); err != nil {
			t.Fatal(err)
		}
	}
	job, err := v.Copy(context.Background(), "b", &ReplicateOptions{RateLimit: rate})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// A backend without events is asked again and again.
func TestWaitWithoutEvents(t *testing.T) {
	conn := root(t)
	conn.deaf = true
	job := copyOf(t, conn, 16<<20)
	if made, err := job.Wait(context.Background()); err != nil || made.Name != "b" {
		t.Error(made, err)
	}
	if conn.hub != nil {
		t.Error("it listened all the same")
	}
}

// To be woken for nothing is no progress.
func TestProgressIsChange(t *testing.T) {
	conn := root(t)
	job := copyOf(t, conn, 1<<20)
	if err := job.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			time.Sleep(2 * time.Millisecond)
			conn.listening.Lock()
			if conn.hub != nil {
				conn.hub.wake("")
			}
			conn.listening.Unlock()
		}
	}()
	n := 0
	for range job.Progress(ctx) {
		n++
	}
	if n < 1 || n > 4 { // queued, running, paused
		t.Error(n)
	}
	if err := job.Cancel(context.Background()); err != nil {
		t.Fatal(err)
	}
}
