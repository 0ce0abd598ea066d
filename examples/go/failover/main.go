// SPDX-License-Identifier: LGPL-2.1-or-later

// Command failover is the day the main pool is lost: mirror, fail over, work there, come back by
// delta.
//
//	go run ./failover [dir:///path/to/an/empty/root]     default: a temporary directory
//
// The volume "orders" is mirrored from the pool "main" to the pool "dr" synchronously, so that it
// may lose nothing; "logs" asynchronously. Then main's directory is taken away, as a disk would go.
// What each volume must hold is kept in memory, and each side is compared with it.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/libreplicant/libreplicant/go"
)

const (
	mib  = 1 << 20
	size = 64 * mib
)

// A mirrored volume: what it must hold, and what of that was shipped before main was lost.
type mirrored struct {
	name          string
	kind          replicant.ReplicationType
	held, shipped []byte
}

var random = rand.NewChaCha8([32]byte{1})

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := failover(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "failover:", err)
		os.Exit(1)
	}
}

func failover(ctx context.Context, args []string) error {
	scratch, err := os.MkdirTemp("", "replicant-failover")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	root := filepath.Join(scratch, "root")
	if len(args) > 0 {
		root = strings.TrimPrefix(args[0], "dir://")
	} else if err := os.Mkdir(root, 0o700); err != nil {
		return err
	}
	volumes := []*mirrored{
		{name: "orders", kind: replicant.MirrorSync, held: make([]byte, size)},
		{name: "logs", kind: replicant.MirrorAsync, held: make([]byte, size)},
	}
	pool, lost := filepath.Join(root, "main"), root+"-main.lost"

	err = connected(ctx, root, func(conn *replicant.Conn) error { return mirror(ctx, conn, volumes) })
	if err != nil {
		return err
	}
	if err := os.Rename(pool, lost); err != nil {
		return err
	}
	fmt.Println("the pool main is lost")
	err = connected(ctx, root, func(conn *replicant.Conn) error { return failOver(ctx, conn, volumes) })
	if err := errors.Join(err, os.Rename(lost, pool)); err != nil {
		return err
	}
	fmt.Println("the pool main is found again")
	return connected(ctx, root, func(conn *replicant.Conn) error {
		if err := comeBack(ctx, conn, volumes); err != nil {
			return err
		}
		return cleanUp(ctx, conn)
	})
}

// connected does some work with the root open.
func connected(ctx context.Context, root string, work func(*replicant.Conn) error) error {
	conn, err := replicant.Connect(ctx, "dir://"+root)
	if err != nil {
		return err
	}
	return errors.Join(work(conn), conn.Close())
}

// mirror mirrors the volumes, and goes on writing.
func mirror(ctx context.Context, conn *replicant.Conn, volumes []*mirrored) error {
	for _, name := range []string{"main", "dr"} {
		if _, err := conn.CreatePool(ctx, name, nil); err != nil {
			return err
		}
	}
	for _, m := range volumes {
		source, err := conn.CreateVolume(ctx, m.name, size, &replicant.CreateOptions{Pool: "main"})
		if err != nil {
			return err
		}
		if err := m.write(ctx, source, 8*mib, 24*mib); err != nil {
			return err
		}
		// With Interval: time.Minute the changes would be shipped by themselves.
		r, err := source.Mirror(ctx, m.kind, m.name,
			&replicant.ReplicateOptions{Pool: "dr", Interval: replicant.OnDemand})
		if err != nil {
			return err
		}
		if r, err = r.WaitInSync(ctx); err != nil {
			return err
		}
		if err := m.write(ctx, source, 0, 3*mib); err != nil {
			return err
		}
		if err := ship(ctx, r); err != nil {
			return err
		}
		m.shipped = bytes.Clone(m.held)
		if err := m.write(ctx, source, 40*mib, 2*mib); err != nil {
			return err
		}
		if m.kind == replicant.MirrorSync { // every write is on both sides
			m.shipped = m.held
		}
		if r, err = r.Current(ctx); err != nil {
			return err
		}
		fmt.Printf("%-13s is %d MiB behind; the last sync, at %s, took %d MiB and %v\n", m.name,
			r.LagBytes/mib, r.LastSync.Format("15:04:05"), r.LastSyncBytes/mib, r.LastSyncDuration)
	}
	return nil
}

// ship brings an asynchronous target up to date; a synchronous one always is.
func ship(ctx context.Context, r *replicant.Replication) error {
	job, err := r.Sync(ctx)
	if errors.Is(err, replicant.ErrNoChange) {
		return nil
	}
	return finished(ctx, job, err)
}

// finished waits for the job of a verb.
func finished(ctx context.Context, job *replicant.Job, err error) error {
	if err == nil {
		_, err = job.Wait(ctx)
	}
	return err
}

// failOver makes the targets writable, as each is at its last complete instant.
func failOver(ctx context.Context, conn *replicant.Conn, volumes []*mirrored) error {
	for _, m := range volumes {
		r, _, target, err := m.look(ctx, conn)
		if err != nil {
			return err
		}
		if _, err := r.Promote(ctx); !errors.Is(err, replicant.ErrNotFound) {
			return fmt.Errorf("a planned promotion needs both sides: %w", err)
		}
		job, err := r.Promote(ctx, replicant.Force)
		if err := finished(ctx, job, err); err != nil {
			return err
		}
		m.shipped, m.held = m.held, bytes.Clone(m.shipped)
		if err := m.same(ctx, target, m.held, "after the failover"); err != nil {
			return err
		}
		if err := m.write(ctx, target, 5*mib, mib); err != nil {
			return err
		}
	}
	return nil
}

// comeBack makes main's volumes the targets; then, with both in sync, main leads again.
func comeBack(ctx context.Context, conn *replicant.Conn, volumes []*mirrored) error {
	for _, m := range volumes {
		r, _, _, err := m.look(ctx, conn)
		if err != nil {
			return err
		}
		job, err := r.Reverse(ctx)
		if err := finished(ctx, job, err); err != nil {
			return err
		}
		if r, err = r.WaitInSync(ctx); err != nil {
			return err
		}
		if err := m.both(ctx, conn, "come back"); err != nil {
			return err
		}
		// The delta, and of a synchronous mirror the 4 MiB regions that were just being written.
		fmt.Printf("%-13s %d of %d MiB had to be sent\n", m.name, r.LastSyncBytes/mib, size/mib)
		if r.LastSyncBytes == 0 || r.LastSyncBytes >= size/4 {
			return fmt.Errorf("%d bytes are no delta", r.LastSyncBytes)
		}
		if err := m.checkKept(ctx, conn, r.DivergedVolumeID); err != nil {
			return err
		}

		// A planned promotion ships the rest, and exchanges the roles.
		job, err = r.Promote(ctx)
		if err := finished(ctx, job, err); err != nil {
			return err
		}
		r, source, _, err := m.look(ctx, conn)
		if err != nil {
			return err
		}
		if err := m.write(ctx, source, 30*mib, mib); err != nil {
			return err
		}
		if err := ship(ctx, r); err != nil {
			return err
		}
		if err := m.both(ctx, conn, "at the end"); err != nil {
			return err
		}
	}
	return nil
}

// checkKept looks at the clone that has what main had alone: nothing is lost by coming back.
func (m *mirrored) checkKept(ctx context.Context, conn *replicant.Conn, id string) error {
	if (id != "") != (m.kind == replicant.MirrorAsync) {
		return fmt.Errorf("%s: what was kept is %q", m.name, id)
	}
	if id == "" {
		return nil
	}
	kept, err := conn.Volume(ctx, id)
	if err != nil {
		return err
	}
	if err := m.same(ctx, kept, m.shipped, "keeps what was never shipped"); err != nil {
		return err
	}
	return kept.Delete(ctx)
}

func cleanUp(ctx context.Context, conn *replicant.Conn) error {
	mirrors, err := conn.Replications(ctx)
	if err != nil {
		return err
	}
	for _, r := range mirrors {
		if err := r.Break(ctx); err != nil {
			return err
		}
	}
	volumes, err := conn.Volumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if err := v.Delete(ctx); err != nil {
			return err
		}
	}
	for _, name := range []string{"main", "dr"} {
		pool, err := conn.Pool(ctx, name)
		if err != nil {
			return err
		}
		if err := conn.DeletePool(ctx, pool); err != nil {
			return err
		}
	}
	return nil
}

// look finds the relation and both ends; an end whose pool is not here is nil.
func (m *mirrored) look(ctx context.Context, conn *replicant.Conn) (r *replicant.Replication, source, target *replicant.Volume, err error) {
	found, err := conn.Replications(ctx, replicant.By("type", m.kind))
	if err != nil {
		return nil, nil, nil, err
	}
	if len(found) != 1 {
		return nil, nil, nil, fmt.Errorf("%s has %d replications", m.name, len(found))
	}
	r = found[0]
	source, err = conn.Volume(ctx, r.SourceVolumeID)
	if err != nil && !errors.Is(err, replicant.ErrNotFound) {
		return nil, nil, nil, err
	}
	target, err = conn.Volume(ctx, r.TargetVolumeID)
	if err != nil && !errors.Is(err, replicant.ErrNotFound) {
		return nil, nil, nil, err
	}
	return r, source, target, nil
}

// write writes what was never written before, to a volume and to what it must hold.
func (m *mirrored) write(ctx context.Context, v *replicant.Volume, off, n int) error {
	device, err := v.Open(ctx)
	if err != nil {
		return err
	}
	defer device.Close()
	random.Read(m.held[off : off+n])
	if _, err := device.WriteAt(m.held[off:off+n], int64(off)); err != nil {
		return err
	}
	return device.Flush()
}

func (m *mirrored) both(ctx context.Context, conn *replicant.Conn, when string) error {
	_, source, target, err := m.look(ctx, conn)
	if err != nil {
		return err
	}
	return errors.Join(m.same(ctx, source, m.held, when), m.same(ctx, target, m.held, when))
}

func (m *mirrored) same(ctx context.Context, v *replicant.Volume, want []byte, when string) error {
	device, err := v.Open(ctx, replicant.ReadOnly)
	if err != nil {
		return err
	}
	defer device.Close()
	got, err := io.ReadAll(io.NewSectionReader(device, 0, device.Size()))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s differs: %s", v.Name, when)
	}
	fmt.Printf("%-13s %s: all %d MiB as they must be\n", v.Name, when, len(got)/mib)
	return nil
}
