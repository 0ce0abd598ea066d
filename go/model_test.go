// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

// A member is a volume, and what a few lines of Go say that it holds.
type member struct {
	volume *replicant.Volume
	want   []byte
}

// A family is volumes that came of each other; one goroutine works on it, others on theirs, all on
// one connection.
type family struct {
	ctx     context.Context
	conn    *replicant.Conn
	random  *rand.Rand
	name    string
	made    int
	members []*member
	steps   []string
}

func (f *family) next() string {
	f.made++
	return fmt.Sprintf("%s.%d", f.name, f.made)
}

func (f *family) step(format string, args ...any) {
	f.steps = append(f.steps, fmt.Sprintf(format, args...))
}

// compare is an error where the volume holds something else.
func (f *family) compare(m *member) error {
	io, err := m.volume.Open(f.ctx, replicant.ReadOnly)
	if err != nil {
		return err
	}
	defer io.Close()
	got := make([]byte, io.Size())
	if _, err := io.ReadAt(got, 0); err != nil {
		return err
	}
	if len(got) != len(m.want) {
		return fmt.Errorf("%s has %d bytes, where %d were to be expected", m.volume.Name, len(got), len(m.want))
	}
	for i := range got {
		if got[i] != m.want[i] {
			return fmt.Errorf("%s: byte %d is %#x, where %#x was to be expected", m.volume.Name, i, got[i], m.want[i])
		}
	}
	return nil
}

// found reads all members again, on a new connection, and compares them.
func (f *family) found() error {
	for _, m := range f.members {
		v, err := f.conn.Volume(f.ctx, m.volume.ID)
		if err != nil {
			return fmt.Errorf("%s is not there any more: %w", m.volume.Name, err)
		}
		m.volume = v
		if err := f.compare(m); err != nil {
			return err
		}
	}
	return nil
}

// work does something at random; what it did is in steps.
func (f *family) work() error {
	if len(f.members) == 0 {
		size := int64(1+f.random.IntN(64)) * 4096
		v, err := f.conn.CreateVolume(f.ctx, f.next(), size, nil)
		if f.step("create %d", size); err != nil {
			return err
		}
		f.members = append(f.members, &member{v, make([]byte, size)})
		return nil
	}
	i := f.random.IntN(len(f.members))
	m := f.members[i]
	name := m.volume.Name
	switch f.random.IntN(12) {
	case 0, 1, 2, 3, 4, 5: // bytes change, some of them several times
		f.step("write to %s", name)
		io, err := m.volume.Open(f.ctx)
		if err != nil {
			return err
		}
		defer io.Close()
		for range 1 + f.random.IntN(3) {
			off := f.random.Int64N(int64(len(m.want)))
			length := 1 + f.random.Int64N(min(20000, int64(len(m.want))-off))
			switch f.random.IntN(4) {
			case 0:
				err = io.WriteZeroes(off, length)
				clear(m.want[off : off+length])
			case 1:
				err = io.Discard(off, length)
				clear(m.want[off : off+length])
			default:
				p := noise(f.random.Uint64(), int(length))
				_, err = io.WriteAt(p, off)
				copy(m.want[off:], p)
			}
			if err != nil {
				return err
			}
		}
	case 6, 7:
		f.step("clone %s", name)
		v, err := m.volume.Clone(f.ctx, f.next())
		if err != nil {
			return err
		}
		f.members = append(f.members, &member{v, append([]byte(nil), m.want...)})
	case 8:
		f.step("copy %s", name)
		job, err := m.volume.Copy(f.ctx, f.next(), nil)
		if err != nil {
			return err
		}
		want := append([]byte(nil), m.want...)
		v, err := job.Wait(f.ctx)
		if err != nil {
			return err
		}
		f.members = append(f.members, &member{v, want})
	case 9:
		f.step("delete %s", name)
		err := m.volume.Delete(f.ctx)
		if errors.Is(err, replicant.ErrHasDependents) {
			return nil
		}
		if err != nil {
			return err
		}
		f.members = append(f.members[:i], f.members[i+1:]...)
	case 10:
		size := int64(1+f.random.IntN(64)) * 4096
		f.step("resize %s from %d to %d", name, len(m.want), size)
		v, err := m.volume.Resize(f.ctx, size)
		if errors.Is(err, replicant.ErrNoChange) {
			return nil
		}
		if err != nil {
			return err
		}
		m.volume = v
		m.want = append(m.want[:min(size, int64(len(m.want)))], make([]byte, max(0, size-int64(len(m.want))))...)
	case 11:
		f.step("compare %s", name)
		return f.compare(m)
	}
	return nil
}

// What many goroutines do at random on one connection is what a few lines of Go say, byte for byte,
// also after a reopen. REPLICANT_SEED does one run again, REPLICANT_SOAK goes on for so long.
func TestModel(t *testing.T) {
	until := time.Now()
	if d, err := time.ParseDuration(os.Getenv("REPLICANT_SOAK")); err == nil {
		until = until.Add(d)
	}
	seed, err := strconv.ParseUint(os.Getenv("REPLICANT_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	for {
		t.Run(fmt.Sprintf("seed_%d", seed), func(t *testing.T) { model(t, seed) })
		if t.Failed() || !time.Now().Before(until) {
			return
		}
		seed = rand.Uint64()
	}
}

func model(t *testing.T, seed uint64) {
	root := t.TempDir()
	const rounds, families, steps = 3, 4, 25
	all := make([]*family, families)
	for i := range all {
		all[i] = &family{random: rand.New(rand.NewPCG(seed, uint64(i))), name: string(rune('a' + i))}
	}
	for range rounds {
		conn := must(replicant.Connect(within(t), "dir://"+root))(t)
		var working sync.WaitGroup
		for _, f := range all {
			f.ctx, f.conn = within(t), conn
			working.Add(1)
			go func() {
				defer working.Done()
				err := f.found()
				for i := 0; i < steps && err == nil; i++ {
					err = f.work()
				}
				if err != nil {
					t.Errorf("%v\n%q", err, f.steps)
				}
			}()
		}
		working.Wait()
		ok(t, conn.Close())
		if t.Failed() {
			return
		}
	}
	conn := reopen(t, root)
	n := 0
	for _, f := range all {
		f.ctx, f.conn = within(t), conn
		ok(t, f.found())
		n += len(f.members)
	}
	if left := len(must(conn.Volumes(within(t)))(t)); left != n {
		t.Errorf("%d volumes, where %d were to be expected", left, n)
	}
}

// Whatever is said to jobs, by whoever, in whatever order: each ends, what is done is whole, and
// nothing is left of the others. The connection is closed in the middle of it, twice.
func TestJobVerbsAtRandom(t *testing.T) {
	root := t.TempDir()
	seed := rand.Uint64()
	t.Log("seed", seed)
	p := noise(1, 2*mib)
	conn := reopen(t, root)
	write(t, volume(t, conn, "source", int64(len(p))), p, 0)
	ok(t, conn.Close())

	fits := func(err error) bool {
		for _, allowed := range []error{nil, replicant.ErrNoChange, replicant.ErrState, replicant.ErrNotFound, os.ErrClosed} {
			if errors.Is(err, allowed) {
				return true
			}
		}
		return false
	}
	for round := range 2 {
		conn := reopen(t, root)
		source := must(conn.Volume(within(t), "source"))(t)
		var working sync.WaitGroup
		for g := range 4 {
			random := rand.New(rand.NewPCG(seed, uint64(10*round+g)))
			working.Add(1)
			go func() {
				defer working.Done()
				for i := range 20 {
					jobs, err := conn.Jobs(context.Background())
					if !fits(err) {
						t.Error(err)
					}
					if len(jobs) == 0 || random.IntN(4) == 0 {
						_, err := source.Copy(context.Background(), fmt.Sprintf("%d.%d.%d", round, g, i),
							&replicant.ReplicateOptions{RateLimit: int64(1+random.IntN(64)) * mib / 4})
						if !fits(err) {
							t.Error(err)
						}
						continue
					}
					job := jobs[random.IntN(len(jobs))]
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(20))*time.Millisecond)
					switch random.IntN(7) {
					case 0:
						err = job.Cancel(context.Background())
					case 1:
						err = job.Pause(context.Background())
					case 2, 3:
						err = job.Resume(context.Background())
					case 4:
						err = job.SetRateLimit(context.Background(), int64(random.IntN(3))*mib)
					case 5:
						err = job.Forget(context.Background())
					case 6:
						for range job.Progress(ctx) {
						}
					}
					cancel()
					if !fits(err) {
						t.Error(err)
					}
				}
			}()
		}
		time.Sleep(time.Duration(seed%100) * time.Millisecond)
		if round == 1 {
			working.Wait()
		}
		ok(t, conn.Close())
		working.Wait()
	}

	conn = reopen(t, root)
	copies := map[string]bool{}
	ended := map[replicant.JobState]int{}
	for _, job := range must(conn.Jobs(within(t)))(t) {
		for _, err := range []error{job.SetRateLimit(within(t), 0), job.Resume(within(t))} {
			if !fits(err) {
				t.Error(err)
			}
		}
		made, err := job.Wait(within(t))
		switch status := must(job.Status(within(t)))(t); {
		case err == nil:
			copies[made.ID] = true
			ended[status.State]++
		case errors.Is(err, replicant.ErrCancelled):
			ended[status.State]++
		default:
			t.Errorf("%v, %+v", err, status)
		}
	}
	t.Log(ended)
	for _, v := range must(conn.Volumes(within(t)))(t) {
		same(t, v.Name, content(t, v), p)
		delete(copies, v.ID)
	}
	if len(copies) != 0 {
		t.Error("jobs are done, and what they made is not there:", copies)
	}
	until(t, "nothing depends on the source any more", func() bool {
		return !must(must(conn.Volume(within(t), "source"))(t).HasDependents(within(t)))(t)
	})
}
