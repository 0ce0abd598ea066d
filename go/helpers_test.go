// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

const mib = 1 << 20

// within is a ctx for what should take no time; so that a test hangs for two minutes at most.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// connect opens a new root.
func connect(t testing.TB) *replicant.Conn { return reopen(t, t.TempDir()) }

func reopen(t testing.TB, root string) *replicant.Conn {
	t.Helper()
	conn, err := replicant.Connect(within(t), "dir://"+root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// must is the value, or the end of the test.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that err is the library's, with this code, and says something.
func refused(t testing.TB, err error, code replicant.ErrorCode) *replicant.Error {
	t.Helper()
	var e *replicant.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T), where %d was to be expected", err, err, code)
	}
	if e.Code != code {
		t.Fatalf("%d (%v), where %d was to be expected", e.Code, err, code)
	}
	if e.Message == "" {
		t.Errorf("%d comes without a message", code)
	}
	return e
}

func is(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("%v (%T), where %v was to be expected", err, err, target)
	}
}

func volume(t testing.TB, conn *replicant.Conn, name string, size int64) *replicant.Volume {
	t.Helper()
	return must(conn.CreateVolume(within(t), name, size, nil))(t)
}

func open(t testing.TB, v *replicant.Volume, opts ...replicant.OpenOption) *replicant.IO {
	t.Helper()
	f := must(v.Open(within(t), opts...))(t)
	t.Cleanup(func() { f.Close() })
	return f
}

// noise is the same bytes for the same seed.
func noise(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	p := make([]byte, n)
	r.Read(p)
	return p
}

func write(t testing.TB, v *replicant.Volume, p []byte, off int64) {
	t.Helper()
	f := must(v.Open(within(t)))(t)
	defer f.Close()
	if n, err := f.WriteAt(p, off); n != len(p) || err != nil {
		t.Fatal(n, err)
	}
	ok(t, f.Flush())
}

// content is all of a volume.
func content(t testing.TB, v *replicant.Volume) []byte {
	t.Helper()
	f := must(v.Open(within(t), replicant.ReadOnly))(t)
	defer f.Close()
	p := make([]byte, f.Size())
	if n, err := f.ReadAt(p, 0); n != len(p) || err != nil {
		t.Fatal(n, err)
	}
	return p
}

func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d bytes, where %d were to be expected", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: byte %d is %#x, where %#x was to be expected", what, i, got[i], want[i])
		}
	}
}

// slow starts a copy that goes on until it is told otherwise: 32 MiB at 1 MiB/s.
func slow(t testing.TB, conn *replicant.Conn, name string) *replicant.Job {
	t.Helper()
	source, err := conn.Volume(within(t), "slow")
	if err != nil {
		source = volume(t, conn, "slow", 32*mib)
		write(t, source, noise(9, 32*mib), 0)
	}
	job := must(source.Copy(within(t), name, &replicant.ReplicateOptions{RateLimit: mib}))(t)
	t.Cleanup(func() { job.Cancel(context.Background()) })
	return job
}

// until looks again and again until something holds; two minutes at most.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for ctx := within(t); !holds(); time.Sleep(5 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("never: %s", what)
		}
	}
}

func threads(t testing.TB) int {
	t.Helper()
	return len(must(os.ReadDir("/proc/self/task"))(t))
}

// collect lets the garbage collector run its finalizers.
func collect() {
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
}
