// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/libreplicant/libreplicant/go"
)

func TestClone(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	source := volume(t, conn, "db", 4*mib)
	before := noise(1, 4*mib)
	write(t, source, before, 0)

	clone := must(source.Clone(ctx, "db-snap"))(t)
	if clone.Name != "db-snap" || clone.Size != source.Size || clone.ParentID != source.ID || clone.ID == source.ID {
		t.Errorf("%+v", clone)
	}
	same(t, "the clone", content(t, clone), before)
	t.Run("clone_isolation", func(t *testing.T) { isolated(t, source, clone, before) })
}

func isolated(t *testing.T, source, clone *replicant.Volume, before []byte) {
	// What either writes the other does not see: aligned, unaligned, a single byte, zeros.
	inSource, inClone := append([]byte(nil), before...), append([]byte(nil), before...)
	s, c := open(t, source), open(t, clone)
	for i, off := range []int64{0, 4096, 70001, 1<<20 - 3, 3<<20 + 17, 4<<20 - 1} {
		p := noise(uint64(10+i), min(5000, int(4*mib-off)))
		must(s.WriteAt(p, off))(t)
		copy(inSource[off:], p)
		off = 4*mib - off - 1
		p = noise(uint64(20+i), min(5000, int(4*mib-off)))
		must(c.WriteAt(p, off))(t)
		copy(inClone[off:], p)
	}
	ok(t, s.WriteZeroes(2*mib, 100000))
	clear(inSource[2*mib : 2*mib+100000])
	ok(t, c.Discard(mib, 65536))
	clear(inClone[mib : mib+65536])
	same(t, "the source", content(t, source), inSource)
	same(t, "the clone", content(t, clone), inClone)

	// A clone of a clone, and the middle one written.
	third := must(clone.Clone(within(t), "third"))(t)
	must(c.WriteAt(noise(30, mib), 0))(t)
	same(t, "the clone's clone", content(t, third), inClone)
}

func TestCopy(t *testing.T) { t.Run("copy_under_a_writer", copyUnderAWriter) }

func copyUnderAWriter(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	source := volume(t, conn, "db", 8*mib)
	before := noise(1, 3*mib)
	write(t, source, before, 2*mib)
	want := append(append(make([]byte, 2*mib), before...), make([]byte, 3*mib)...)

	// A writer is at the source all the time; the copy is of the instant of the call.
	stop := make(chan struct{})
	var writer sync.WaitGroup
	f := open(t, source)
	job := must(source.Copy(ctx, "db-copy", &replicant.ReplicateOptions{Verify: replicant.VerifyReadBack}))(t)
	writer.Add(1)
	go func() {
		defer writer.Done()
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
				if _, err := f.WriteAt(noise(i, 4096), int64(i*40961%(7*mib))); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	made, err := job.Wait(ctx)
	close(stop)
	writer.Wait()
	ok(t, err)
	if made.Name != "db-copy" || made.Size != source.Size || made.ParentID != "" {
		t.Errorf("%+v", made)
	}
	same(t, "the copy", content(t, made), want)
	ok(t, f.Close())
	ok(t, source.Delete(ctx))
	same(t, "the copy, without its source", content(t, made), want)

	status := must(job.Status(ctx))(t)
	if status.State != replicant.JobDone || status.Kind != replicant.JobCopy || status.Percent != 100 ||
		status.BytesDone != status.BytesTotal || status.BytesCopied+status.BytesSkipped != status.BytesDone ||
		status.SourceVolumeID != source.ID || status.TargetVolumeID != made.ID ||
		status.Created.IsZero() || status.Started.IsZero() || status.Finished.IsZero() || status.Err != nil {
		t.Errorf("%+v", status)
	}
}

func TestCopyIntoAnotherPool(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	other := must(conn.CreatePool(ctx, "other", nil))(t)
	source := volume(t, conn, "db", mib)
	p := noise(1, mib)
	write(t, source, p, 0)
	for _, pool := range []string{"other", other.ID} {
		made := must(must(source.Copy(ctx, "db in "+pool, &replicant.ReplicateOptions{Pool: pool}))(t).Wait(ctx))(t)
		if made.PoolID != other.ID {
			t.Errorf("%+v", made)
		}
		same(t, "the copy", content(t, made), p)
	}
	_, err := source.Copy(ctx, "x", &replicant.ReplicateOptions{Pool: "nosuch"})
	refused(t, err, replicant.CodeNotFoundPool)
	t.Run("replicate_clone_into_another_pool_is_153", func(t *testing.T) {
		_, err := source.Replicate(ctx, replicant.Clone, "x", &replicant.ReplicateOptions{Pool: "other"})
		e := refused(t, err, replicant.CodeNoSupport)
		is(t, err, replicant.ErrNotSupported)
		if e.Hint == "" {
			t.Error("nothing says what to do instead")
		}
	})
}

func TestReplicate(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	source := volume(t, conn, "db", mib)
	write(t, source, noise(1, mib), 0)

	t.Run("clone_is_a_job_that_is_done", func(t *testing.T) {
		job := must(source.Replicate(ctx, replicant.Clone, "clone", nil))(t)
		if job.ID != "" || job.State != replicant.JobDone || job.Percent != 100 {
			t.Errorf("%+v", job)
		}
		made := must(job.Wait(ctx))(t)
		if made.Name != "clone" {
			t.Errorf("%+v", made)
		}
		if volumes := must(job.Volumes(ctx))(t); len(volumes) != 1 || volumes[0].ID != made.ID {
			t.Error(volumes)
		}
		if status := must(job.Status(ctx))(t); status.State != replicant.JobDone {
			t.Errorf("%+v", status)
		}
		n := 0
		for p := range job.Progress(ctx) {
			if n++; p.Percent != 100 {
				t.Errorf("%+v", p)
			}
		}
		if n != 1 {
			t.Error(n)
		}
		refused(t, job.Cancel(ctx), replicant.CodeNoStateChange)
		refused(t, job.Pause(ctx), replicant.CodeState)
		refused(t, job.Resume(ctx), replicant.CodeState)
		refused(t, job.SetRateLimit(ctx, 1), replicant.CodeState)
		ok(t, job.Forget(ctx))
	})
	t.Run("replicate_unknown_type", func(t *testing.T) {
		for _, r := range []replicant.ReplicationType{-1, 0, 1, 6, 1 << 30} {
			_, err := source.Replicate(ctx, r, "x", nil)
			refused(t, err, replicant.CodeInvalidArgument)
		}
	})
	t.Run("name_conflict", func(t *testing.T) {
		for _, r := range []replicant.ReplicationType{replicant.Clone, replicant.Copy} {
			_, err := source.Replicate(ctx, r, "db", nil)
			refused(t, err, replicant.CodeNameConflict)
		}
	})
	t.Run("target_name_is_reserved", func(t *testing.T) {
		job := slow(t, conn, "target")
		_, err := conn.CreateVolume(ctx, "target", mib, nil)
		e := refused(t, err, replicant.CodeNameConflict)
		if !strings.Contains(e.Error(), job.ID) {
			t.Error("it does not name the job:", e)
		}
		_, err = conn.Volume(ctx, job.TargetVolumeID)
		refused(t, err, replicant.CodeNotFoundVolume)
		ok(t, job.Cancel(ctx))
		_, err = job.Wait(ctx)
		is(t, err, replicant.ErrCancelled)
		volume(t, conn, "target", mib)
	})
	t.Run("name_with_nul", func(t *testing.T) {
		_, err := source.Clone(ctx, "a\x00b")
		refused(t, err, replicant.CodeInvalidArgument)
	})
	t.Run("options_not_allowed", func(t *testing.T) {
		for name, o := range map[string]replicant.ReplicateOptions{
			"key_too_long":  {Key: strings.Repeat("k", 129)},
			"key_not_utf8":  {Key: "\xff"},
			"key_with_nul":  {Key: "a\x00"},
			"rate_negative": {RateLimit: -1},
			"verify":        {Verify: 9},
			"policy":        {OnTargetError: 9},
		} {
			_, err := source.Copy(ctx, "x", &o)
			if e := refused(t, err, replicant.CodeInvalidArgument); name == "" {
				t.Error(e)
			}
		}
	})
	t.Run("key_gives_the_same_volume", func(t *testing.T) {
		o := &replicant.ReplicateOptions{Key: "nightly-7"}
		first := must(must(source.Copy(ctx, "nightly", o))(t).Wait(ctx))(t)
		second := must(must(source.Copy(ctx, "nightly", o))(t).Wait(ctx))(t)
		if first.ID != second.ID {
			t.Error("the same key has made two")
		}
		_, err := source.Copy(ctx, "another", o)
		refused(t, err, replicant.CodeNameConflict)
	})
	t.Run("key_gives_the_same_job", func(t *testing.T) {
		slow(t, conn, "kept busy")
		v := must(conn.Volume(ctx, "slow"))(t)
		o := &replicant.ReplicateOptions{Key: "joined", RateLimit: mib}
		one, two := must(v.Copy(ctx, "joined", o))(t), must(v.Copy(ctx, "joined", o))(t)
		if one.ID != two.ID || one.Key != "joined" {
			t.Errorf("%+v, %+v", one, two)
		}
		if found := must(conn.Jobs(ctx, replicant.By("key", "joined")))(t); len(found) != 1 || found[0].ID != one.ID {
			t.Error(found)
		}
		ok(t, one.Cancel(ctx))
	})
}

func TestReplicateRange(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	source, target := volume(t, conn, "source", mib), volume(t, conn, "target", mib)
	p, q := noise(1, mib), noise(2, mib)
	write(t, source, p, 0)
	write(t, target, q, 0)

	job, err := source.ReplicateRange(ctx, replicant.Copy, target,
		[]replicant.BlockRange{{SourceStart: 0, TargetStart: 8, Blocks: 8}, {SourceStart: 100, TargetStart: 1000, Blocks: 3}})
	ok(t, err)
	_, err = job.Wait(ctx)
	ok(t, err)
	copy(q[8*512:], p[:8*512])
	copy(q[1000*512:], p[100*512:103*512])
	same(t, "the target", content(t, target), q)

	for name, ranges := range map[string][]replicant.BlockRange{
		"none":               nil,
		"outside_the_source": {{SourceStart: 2048, Blocks: 1}},
		"outside_the_target": {{TargetStart: 2047, Blocks: 2}},
		"negative":           {{Blocks: -1}},
		"overflowing":        {{SourceStart: 1<<63 - 1, Blocks: 1<<63 - 1}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := source.ReplicateRange(ctx, replicant.Copy, target, ranges)
			refused(t, err, replicant.CodeInvalidArgument)
		})
	}
	_, err = source.ReplicateRange(ctx, replicant.Copy, nil, []replicant.BlockRange{{Blocks: 1}})
	refused(t, err, replicant.CodeInvalidArgument)
	_, err = source.ReplicateRange(ctx, replicant.Clone, target, []replicant.BlockRange{{Blocks: 1}})
	refused(t, err, replicant.CodeNoSupport)
	ok(t, target.Disable(ctx))
	_, err = source.ReplicateRange(ctx, replicant.Copy, target, []replicant.BlockRange{{Blocks: 1}})
	refused(t, err, replicant.CodeReadOnly)
}

func TestReplicateRangeWithinOneVolume(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "v", mib)
	p := noise(1, mib)
	write(t, v, p, 0)
	job := must(v.ReplicateRange(ctx, replicant.Copy, v, []replicant.BlockRange{{TargetStart: 100, Blocks: 50}}))(t)
	_, err := job.Wait(ctx)
	ok(t, err)
	copy(p[100*512:], p[:50*512])
	same(t, "v", content(t, v), p)
	_, err = v.ReplicateRange(ctx, replicant.Copy, v, []replicant.BlockRange{{TargetStart: 10, Blocks: 11}})
	refused(t, err, replicant.CodeInvalidArgument)
	same(t, "v", content(t, v), p)
}

// Too many ranges to be done within the call: what the source had then, whatever it has later.
func TestReplicateRangeAsAJob(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	source, target := volume(t, conn, "source", mib), volume(t, conn, "target", mib)
	p, q := noise(1, mib), make([]byte, mib)
	write(t, source, p, 0)
	var ranges []replicant.BlockRange
	for i := int64(0); i < 400; i++ {
		r := replicant.BlockRange{SourceStart: 3 * i, TargetStart: 3*(399-i) + 1, Blocks: 2}
		ranges = append(ranges, r)
		copy(q[r.TargetStart*512:], p[r.SourceStart*512:(r.SourceStart+r.Blocks)*512])
	}
	job := must(source.ReplicateRange(ctx, replicant.Copy, target, ranges))(t)
	write(t, source, make([]byte, mib), 0)
	_, err := job.Wait(ctx)
	ok(t, err)
	status := must(job.Status(ctx))(t)
	if status.Kind != replicant.JobRange || status.BytesDone != 400*1024 {
		t.Errorf("%+v", status)
	}
	same(t, "the target", content(t, target), q)
}

// replicantCannot ends a test of what this backend cannot do, if it says so in the right way.
func replicantCannot(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	refused(t, err, replicant.CodeNoSupport)
	is(t, err, replicant.ErrNotSupported)
	t.Log("not supported here:", err)
	return true
}

func TestReplicateGroup(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	a, b := volume(t, conn, "a", mib), volume(t, conn, "b", mib)
	write(t, a, noise(1, mib), 0)
	write(t, b, noise(2, mib), 0)

	group := []replicant.GroupMember{{Source: a, Name: "a2"}, {Source: b, Name: "b2"}}
	job, err := conn.ReplicateGroup(ctx, replicant.Clone, group, nil)
	if !replicantCannot(t, err) {
		_, err = job.Wait(ctx)
		ok(t, err)
		made := must(job.Volumes(ctx))(t)
		if len(made) != 2 || made[0].Name != "a2" || made[1].Name != "b2" {
			t.Fatal(made)
		}
		same(t, "a2", content(t, made[0]), noise(1, mib))
		same(t, "b2", content(t, made[1]), noise(2, mib))
	}

	_, err = conn.ReplicateGroup(ctx, replicant.Clone, nil, nil)
	refused(t, err, replicant.CodeInvalidArgument)
	_, err = conn.ReplicateGroup(ctx, replicant.Clone, []replicant.GroupMember{{Name: "x"}}, nil)
	refused(t, err, replicant.CodeInvalidArgument)
	_, err = conn.ReplicateGroup(ctx, replicant.Clone, []replicant.GroupMember{{Source: a, Name: "x\x00"}}, nil)
	refused(t, err, replicant.CodeInvalidArgument)
}

func TestDeleteDependents(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	source := volume(t, conn, "db", mib)
	p := noise(1, mib)
	write(t, source, p, 0)

	_, err := source.DeleteDependents(ctx)
	if code := codeOf(err); code == replicant.CodeNoSupport {
		replicantCannot(t, err)
		return
	}
	refused(t, err, replicant.CodeNoStateChange)
	clone := must(source.Clone(ctx, "clone"))(t)
	_, err = must(source.DeleteDependents(ctx))(t).Wait(ctx)
	ok(t, err)
	if yes := must(source.HasDependents(ctx))(t); yes {
		t.Error("something still depends on it")
	}
	ok(t, source.Delete(ctx))
	same(t, "the clone, without its source", content(t, clone), p)
}

func TestDelete(t *testing.T) {
	t.Run("delete_source_of_running_copy_is_161", deleteUnderACopy)
}

func deleteUnderACopy(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	job := slow(t, conn, "copy")
	source := must(conn.Volume(ctx, job.SourceVolumeID))(t)
	refused(t, source.Delete(ctx), replicant.CodeHasChildDependency)
	ok(t, job.Cancel(ctx))
	job.Wait(ctx)
	ok(t, source.Delete(ctx))
}

func TestMirrorIsNoClone(t *testing.T) {
	conn := connect(t)
	v := volume(t, conn, "a", mib)
	_, err := v.Mirror(context.Background(), replicant.Clone, "x", nil)
	refused(t, err, replicant.CodeInvalidArgument)
}

func TestReplicateGroupOfCopies(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	a, b := volume(t, conn, "a", mib), volume(t, conn, "b", mib)
	write(t, a, noise(1, mib), 0)
	write(t, b, noise(2, mib), 0)

	group := []replicant.GroupMember{{Source: b, Name: "b2"}, {Source: a, Name: "a2"}}
	var ids []string
	for range 2 { // the same key gives the same group again
		job := must(conn.ReplicateGroup(ctx, replicant.Copy, group, &replicant.ReplicateOptions{Key: "k"}))(t)
		_, err := job.Wait(ctx)
		ok(t, err)
		made := must(job.Volumes(ctx))(t)
		if len(made) != 2 || made[0].Name != "b2" || made[1].Name != "a2" {
			t.Fatal(made)
		}
		same(t, "b2", content(t, made[0]), noise(2, mib))
		same(t, "a2", content(t, made[1]), noise(1, mib))
		ids = append(ids, made[0].ID+made[1].ID)
	}
	if ids[0] != ids[1] {
		t.Error(ids)
	}
}

func TestReplicateGroupOfMirrors(t *testing.T) {
	for name, kind := range map[string]replicant.ReplicationType{
		"sync": replicant.MirrorSync, "async": replicant.MirrorAsync,
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t)
			ctx := within(t)
			a, b := volume(t, conn, "a", mib), volume(t, conn, "b", mib)
			write(t, a, noise(1, mib), 0)
			group := []replicant.GroupMember{{Source: a, Name: "a2"}, {Source: b, Name: "b2"}}
			job := must(conn.ReplicateGroup(ctx, kind, group, nil))(t)
			_, err := job.Wait(ctx)
			ok(t, err)
			made := must(job.Volumes(ctx))(t)
			if len(made) != 2 || made[0].Name != "a2" || made[1].Name != "b2" {
				t.Fatal(made)
			}
			mirrors := must(conn.Replications(ctx))(t)
			if len(mirrors) != 2 || mirrors[0].GroupID == "" || mirrors[0].GroupID != mirrors[1].GroupID {
				t.Fatal(mirrors)
			}
			write(t, b, noise(2, mib), 0)
			if kind == replicant.MirrorAsync {
				_, err = must(mirrors[0].Sync(ctx))(t).Wait(ctx)
				ok(t, err)
			}
			same(t, "a2", content(t, made[0]), noise(1, mib))
			same(t, "b2", content(t, made[1]), noise(2, mib))
			ok(t, mirrors[1].Pause(ctx)) // which is done to both
			for _, r := range must(conn.Replications(ctx))(t) {
				if r.State != replicant.ReplicationPaused {
					t.Error(r.State)
				}
			}
		})
	}
}
