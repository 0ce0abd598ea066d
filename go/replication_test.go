// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

// The whole life of a mirror, where the backend has them; else each call says that it has not.
func TestMirror(t *testing.T) {
	for name, kind := range map[string]replicant.ReplicationType{
		"sync": replicant.MirrorSync, "async": replicant.MirrorAsync,
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t)
			ctx := within(t)
			must(conn.CreatePool(ctx, "dr", nil))(t)
			source := volume(t, conn, "db", mib)
			p := noise(1, mib)
			write(t, source, p, 0)
			r, err := source.Mirror(ctx, kind, "db", &replicant.ReplicateOptions{Pool: "dr", Interval: replicant.OnDemand})
			if replicantCannot(t, err) {
				return
			}
			r = must(r.WaitInSync(ctx))(t)
			if r.Type != kind || r.State != replicant.ReplicationInSync || r.SourceVolumeID != source.ID {
				t.Errorf("%+v", r)
			}
			target := must(conn.Volume(ctx, r.TargetVolumeID))(t)
			same(t, "the target", content(t, target), p)
			_, err = target.Open(ctx)
			refused(t, err, replicant.CodeReadOnly)
			refused(t, source.Delete(ctx), replicant.CodeHasChildDependency)

			p = noise(2, mib)
			write(t, source, p, 0)
			if kind == replicant.MirrorAsync {
				_, err = must(r.Sync(ctx))(t).Wait(ctx)
				ok(t, err)
				ok(t, r.SetInterval(ctx, time.Hour))
			} else {
				refused(t, r.SetInterval(ctx, time.Hour), replicant.CodeNoSupport)
			}
			_, err = r.Sync(ctx)
			refused(t, err, replicant.CodeNoStateChange)
			same(t, "the target", content(t, target), p)

			ok(t, r.Pause(ctx))
			refused(t, r.Pause(ctx), replicant.CodeNoStateChange)
			ok(t, r.Resume(ctx))
			must(r.WaitInSync(ctx))(t)
			if found := must(conn.Replications(ctx, replicant.By("volume_id", source.ID)))(t); len(found) != 1 || found[0].ID != r.ID {
				t.Error(found)
			}
			_, err = must(r.Promote(ctx, replicant.Force))(t).Wait(ctx)
			ok(t, err)
			_, err = must(r.Reverse(ctx, replicant.Discard))(t).Wait(ctx)
			ok(t, err)
			ok(t, r.Break(ctx))
			_, err = r.Current(ctx)
			refused(t, err, replicant.CodeNotFoundReplication)
		})
	}
}

func TestReplicationUnknown(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	code := replicant.CodeNotFoundReplication
	_, err := conn.Replication(ctx, "nosuch")
	if codeOf(err) == replicant.CodeNoSupport {
		code = replicant.CodeNoSupport
	}
	refused(t, err, code)
	_, err = conn.Replications(ctx)
	if code == replicant.CodeNoSupport {
		refused(t, err, code)
	} else {
		ok(t, err)
		_, err = conn.Replications(ctx, replicant.By("colour", "blue"))
		refused(t, err, replicant.CodeUnsupportedSearchKey)
	}
}

func TestReplicationByHandIsRefused(t *testing.T) {
	ctx := within(t)
	r := &replicant.Replication{ID: "x"}
	refused(t, r.Pause(ctx), replicant.CodeInvalidArgument)
	_, err := r.WaitInSync(ctx)
	refused(t, err, replicant.CodeInvalidArgument)
	_, err = (&replicant.Job{}).Wait(ctx)
	refused(t, err, replicant.CodeInvalidArgument)
	j := &replicant.Job{}
	j.ID = "x"
	_, err = j.Wait(ctx)
	refused(t, err, replicant.CodeInvalidArgument)
}

// The source's pool is replaced by an older copy of itself: nothing is common any more, and Force
// copies everything again.
func TestBrokenCopiedAgain(t *testing.T) {
	for name, kind := range map[string]replicant.ReplicationType{
		"sync": replicant.MirrorSync, "async": replicant.MirrorAsync,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := within(t)
			root, older := t.TempDir(), filepath.Join(t.TempDir(), "older")
			pool := filepath.Join(root, "default")
			conn := reopen(t, root)
			must(conn.CreatePool(ctx, "dr", nil))(t)
			source := must(conn.CreateVolume(ctx, "db", mib, &replicant.CreateOptions{Pool: "default"}))(t)
			first := noise(1, mib)
			write(t, source, first, 0)
			r, err := source.Mirror(ctx, kind, "db", &replicant.ReplicateOptions{Pool: "dr", Interval: replicant.OnDemand})
			if replicantCannot(t, err) {
				return
			}
			r = must(r.WaitInSync(ctx))(t)
			ok(t, r.Pause(ctx))
			ok(t, conn.Close())
			ok(t, exec.Command("cp", "-a", pool, older).Run())

			conn = reopen(t, root)
			second := noise(2, mib)
			write(t, must(conn.Volume(ctx, source.ID))(t), second, 0)
			r = must(conn.Replication(ctx, r.ID))(t)
			ok(t, r.Resume(ctx))
			must(r.WaitInSync(ctx))(t)
			ok(t, r.Pause(ctx))
			ok(t, conn.Close())
			ok(t, os.RemoveAll(pool))
			ok(t, os.Rename(older, pool))

			conn = reopen(t, root)
			r = must(conn.Replication(ctx, r.ID))(t)
			if r.State != replicant.ReplicationBroken {
				t.Fatalf("%+v", r)
			}
			refused(t, r.Resume(ctx), replicant.CodeState)
			target := must(conn.Volume(ctx, r.TargetVolumeID))(t)
			same(t, "the target", content(t, target), second)
			ok(t, r.Resume(ctx, replicant.Force))
			r = must(r.WaitInSync(ctx))(t)
			same(t, "the target", content(t, target), first)
			same(t, "what it had", content(t, must(conn.Volume(ctx, r.DivergedVolumeID))(t)), second)
		})
	}
}
