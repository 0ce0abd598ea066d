// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

func TestConnect(t *testing.T) {
	for name, c := range map[string]struct {
		uri  string
		code replicant.ErrorCode
		is   error
	}{
		"uri_empty":                 {"", replicant.CodeInvalidArgument, replicant.ErrInvalidArgument},
		"uri_malformed_is_101":      {"no scheme at all", replicant.CodeInvalidArgument, replicant.ErrInvalidArgument},
		"uri_hostile_port":          {"dir://host:12345678901234567890/x", replicant.CodeInvalidArgument, replicant.ErrInvalidArgument},
		"uri_with_nul":              {"dir:///tmp\x00/x", replicant.CodeInvalidArgument, replicant.ErrInvalidArgument},
		"uri_unknown_scheme_is_311": {"nosuchbackend:///", replicant.CodePluginNotExist, replicant.ErrNotSupported},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := replicant.Connect(within(t), c.uri)
			if conn != nil {
				t.Error("there is a connection, too")
			}
			refused(t, err, c.code)
			is(t, err, c.is)
		})
	}
	t.Run("timeout_zero_is_101", func(t *testing.T) {
		_, err := replicant.Connect(within(t), "dir://"+t.TempDir(), replicant.WithTimeout(0))
		refused(t, err, replicant.CodeInvalidArgument)
	})
	t.Run("ctx_ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := replicant.Connect(ctx, "dir://"+t.TempDir())
		is(t, err, context.Canceled)
	})
	t.Run("same_root_twice", func(t *testing.T) {
		root := t.TempDir()
		one, two := reopen(t, root), reopen(t, root)
		volume(t, one, "a", mib)
		must(two.Volume(within(t), "a"))(t)
	})
}

func TestTimeout(t *testing.T) {
	conn := must(replicant.Connect(within(t), "dir://"+t.TempDir(), replicant.WithTimeout(7*time.Second)))(t)
	defer conn.Close()
	if d := must(conn.Timeout())(t); d != 7*time.Second {
		t.Error(d)
	}
	ok(t, conn.SetTimeout(1500*time.Millisecond))
	if d := must(conn.Timeout())(t); d != 1500*time.Millisecond {
		t.Error(d)
	}
	refused(t, conn.SetTimeout(0), replicant.CodeInvalidArgument)
}

func TestInfo(t *testing.T) {
	conn := connect(t)
	description, version, err := conn.Info(within(t))
	if ok(t, err); description == "" || version == "" {
		t.Errorf("%q %q", description, version)
	}
	if replicant.Version() == "" {
		t.Error("the library has no version")
	}
	if list := must(replicant.Backends(" | "))(t); !strings.Contains(strings.Join(list, "\n"), " | ") {
		t.Error(list)
	}
}

func TestSystems(t *testing.T) {
	conn := connect(t)
	systems := must(conn.Systems(within(t)))(t)
	if len(systems) != 1 || systems[0].ID == "" || systems[0].Status&replicant.SystemOK == 0 {
		t.Fatalf("%+v", systems)
	}
	for _, s := range []*replicant.System{nil, systems[0]} {
		can := must(conn.Capabilities(within(t), s))(t)
		for _, what := range []replicant.Capability{replicant.CanListVolumes, replicant.CanClone, replicant.CanCopy} {
			if !can.Supports(what) {
				t.Error(what)
			}
		}
		for _, what := range []replicant.Capability{-1, 0, replicant.CanMask, 511, 512, 1 << 30} {
			if can.Supports(what) {
				t.Error(what)
			}
		}
		if n := must(conn.RangeBlockSize(within(t), s))(t); n != 512 {
			t.Error(n)
		}
	}
}

func TestValidVPD83(t *testing.T) {
	for id, valid := range map[string]bool{
		"600508b1001c79ade5178f0626caaa9c":     true,
		"600508B1001C79ADE5178F0626CAAA9C":     true,
		"50014EE6A8B0B0A1":                     true,
		"700508b1001c79ade5178f0626caaa9c":     false,
		"":                                     false,
		"600508b1001c79ade5178f0626caaa9c\x00": false,
	} {
		if replicant.ValidVPD83(id) != valid {
			t.Errorf("%q", id)
		}
	}
}

func TestClose(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "a", mib)
	job := must(v.Copy(ctx, "b", nil))(t)
	must(job.Wait(ctx))(t)
	f := open(t, v)
	ok(t, conn.Close())
	ok(t, conn.Close())

	for name, call := range map[string]func() error{
		"Volumes":  func() error { _, err := conn.Volumes(ctx); return err },
		"Volume":   func() error { _, err := conn.Volume(ctx, "a"); return err },
		"Create":   func() error { _, err := conn.CreateVolume(ctx, "c", mib, nil); return err },
		"Pools":    func() error { _, err := conn.Pools(ctx); return err },
		"Systems":  func() error { _, err := conn.Systems(ctx); return err },
		"Jobs":     func() error { _, err := conn.Jobs(ctx); return err },
		"Clone":    func() error { _, err := v.Clone(ctx, "c"); return err },
		"Delete":   func() error { return v.Delete(ctx) },
		"Open":     func() error { _, err := v.Open(ctx); return err },
		"Wait":     func() error { _, err := job.Wait(ctx); return err },
		"Status":   func() error { _, err := job.Status(ctx); return err },
		"Cancel":   func() error { return job.Cancel(ctx) },
		"Timeout":  func() error { _, err := conn.Timeout(); return err },
		"Mirrors":  func() error { _, err := conn.Replications(ctx); return err },
		"Progress": func() error { return emptyProgress(job.Progress(ctx)) },
		"Events": func() (err error) {
			for _, err = range conn.Events(ctx) {
			}
			return err
		},
	} {
		if err := call(); err != os.ErrClosed {
			t.Errorf("%s: %v", name, err)
		}
	}

	// What was open stays so.
	p := noise(1, 4096)
	if _, err := f.WriteAt(p, 512); err != nil {
		t.Error(err)
	}
	got := make([]byte, len(p))
	if _, err := f.ReadAt(got, 512); err != nil {
		t.Error(err)
	}
	same(t, "through an IO of a closed connection", got, p)
}

func emptyProgress(seq func(func(replicant.Progress) bool)) error {
	for range seq {
		return errors.New("there was some")
	}
	return os.ErrClosed
}

func TestCloseUnderCalls(t *testing.T) {
	root := t.TempDir()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		conn := reopen(t, root)
		v, err := conn.Volume(within(t), "a")
		if err != nil {
			v = volume(t, conn, "a", mib)
		}
		var calls sync.WaitGroup
		for range 4 {
			calls.Add(1)
			go func() {
				defer calls.Done()
				for {
					_, err := conn.Volumes(context.Background())
					if err == nil {
						var f *replicant.IO
						if f, err = v.Open(context.Background()); err == nil {
							f.ReadAt(make([]byte, 512), 0)
							f.Close()
						}
					}
					if err != nil {
						if err != os.ErrClosed {
							t.Error(err)
						}
						return
					}
				}
			}()
		}
		time.Sleep(3 * time.Millisecond)
		ok(t, conn.Close())
		calls.Wait()
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	conn := connect(t)
	job := slow(t, conn, "copy")
	ended := make(chan error, 2)
	go func() {
		_, err := job.Wait(context.Background())
		ended <- err
	}()
	events := conn.Events(context.Background())
	go func() {
		var last error
		for _, err := range events {
			last = err
		}
		ended <- last
	}()
	time.Sleep(20 * time.Millisecond)
	ok(t, conn.Close())
	for range 2 {
		select {
		case err := <-ended:
			is(t, err, os.ErrClosed)
		case <-within(t).Done():
			t.Fatal("it waits on")
		}
	}
}

func TestContextEnded(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", mib)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := v.Clone(ctx, "b")
	is(t, err, context.Canceled)
	_, err = v.Copy(ctx, "b", nil)
	is(t, err, context.Canceled)
	if n := len(must(conn.Volumes(within(t)))(t)); n != 1 {
		t.Error("something was made all the same:", n)
	}
}

// A connection that is forgotten, not closed, lets go of its root when it is collected.
func TestForgottenConnection(t *testing.T) {
	root := t.TempDir()
	func() {
		conn := must(replicant.Connect(within(t), "dir://"+root))(t)
		volume(t, conn, "a", mib)
	}()
	until(t, "the root's descriptors are closed", func() bool {
		collect()
		for _, fd := range must(os.ReadDir("/proc/self/fd"))(t) {
			if path, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(path, root) {
				return false
			}
		}
		return true
	})
}

// Records are read while the collector runs and frees those that nobody holds.
func TestCollectorPressure(t *testing.T) {
	conn := connect(t)
	for i := range 20 {
		volume(t, conn, strings.Repeat("v", i+1), 64<<10)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				collect()
			}
		}
	}()
	for range 30 {
		for _, v := range must(conn.Volumes(within(t)))(t) {
			if len(v.ID) != 32 || v.Size != 64<<10 || strings.Trim(v.Name, "v") != "" {
				t.Fatalf("%+v", v)
			}
			if _, there := v.Tag("none"); there {
				t.Fatal("a tag that nobody has set")
			}
			if yes := must(v.HasDependents(within(t)))(t); yes {
				t.Fatal("a dependent that nobody has made")
			}
		}
	}
}
