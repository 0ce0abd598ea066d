// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/libreplicant/libreplicant/go"
)

func TestJobUnknown(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	t.Run("job_unknown_is_202", func(t *testing.T) {
		for _, id := range []string{"nosuch", "", "60000000000000000000000000000000"} {
			_, err := conn.Job(ctx, id)
			refused(t, err, replicant.CodeNotFoundJob)
			is(t, err, replicant.ErrNotFound)
		}
	})
	t.Run("job_with_nul", func(t *testing.T) {
		_, err := conn.Job(ctx, "a\x00")
		refused(t, err, replicant.CodeInvalidArgument)
	})
}

func TestJobs(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	running := slow(t, conn, "running")
	source := must(conn.Volume(ctx, "slow"))(t)
	small := volume(t, conn, "small", mib)
	done := must(small.Copy(ctx, "done", nil))(t)
	must(done.Wait(ctx))(t)
	until(t, "the slow job runs", func() bool {
		return must(running.Status(ctx))(t).State == replicant.JobRunning
	})

	for name, c := range map[string]struct {
		searches []replicant.Search
		want     []*replicant.Job
	}{
		"all":       {nil, []*replicant.Job{running, done}},
		"id":        {[]replicant.Search{replicant.By("id", done.ID)}, []*replicant.Job{done}},
		"state":     {[]replicant.Search{replicant.By("state", replicant.JobRunning)}, []*replicant.Job{running}},
		"kind":      {[]replicant.Search{replicant.By("kind", replicant.JobCopy)}, []*replicant.Job{running, done}},
		"volume_id": {[]replicant.Search{replicant.By("volume_id", source.ID)}, []*replicant.Job{running}},
		"key":       {[]replicant.Search{replicant.By("key", "none")}, nil},
	} {
		t.Run("search_"+name, func(t *testing.T) {
			want := map[string]bool{}
			for _, j := range c.want {
				want[j.ID] = true
			}
			found := must(conn.Jobs(ctx, c.searches...))(t)
			if len(found) != len(want) {
				t.Fatal(len(found))
			}
			for _, j := range found {
				if !want[j.ID] {
					t.Errorf("%+v", j)
				}
			}
		})
	}
	t.Run("search_key_unknown_is_510", func(t *testing.T) {
		_, err := conn.Jobs(ctx, replicant.By("colour", "blue"))
		refused(t, err, replicant.CodeUnsupportedSearchKey)
	})
	t.Run("forget_running_goes_on", func(t *testing.T) {
		ok(t, running.Forget(ctx))
		must(running.Status(ctx))(t)
	})
	t.Run("forget_ended", func(t *testing.T) {
		ok(t, done.Forget(ctx))
		_, err := done.Status(ctx)
		refused(t, err, replicant.CodeNotFoundJob)
		refused(t, done.Forget(ctx), replicant.CodeNotFoundJob)
		_, err = done.Wait(ctx)
		refused(t, err, replicant.CodeNotFoundJob)
		must(conn.Volume(ctx, "done"))(t)
	})
}

func TestProgress(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "a", 8*mib)
	write(t, v, noise(1, 4*mib), 0)
	job := must(v.Copy(ctx, "b", &replicant.ReplicateOptions{RateLimit: 4 * mib}))(t)

	var all []replicant.Progress
	for p := range job.Progress(ctx) {
		all = append(all, p)
	}
	if len(all) == 0 || all[len(all)-1].State != replicant.JobDone || all[len(all)-1].Percent != 100 {
		t.Fatalf("%+v", all)
	}
	last := replicant.Progress{}
	for _, p := range all {
		if p.Percent < last.Percent || p.BytesDone < last.BytesDone || p.BytesDone > p.BytesTotal ||
			p.BytesCopied+p.BytesSkipped != p.BytesDone || (p.Percent == 100) != (p.State == replicant.JobDone) || p == last {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
	}
	if last.BytesCopied < 4*mib || last.BytesTotal != 8*mib {
		t.Errorf("%+v", last)
	}
	must(job.Wait(ctx))(t)

	// It may be left at any time.
	for range slow(t, conn, "left").Progress(ctx) {
		break
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	for range slow(t, conn, "ctx").Progress(short) {
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	conn := connect(t)
	job := slow(t, conn, "copy")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := job.Wait(ctx)
	is(t, err, context.DeadlineExceeded)
	if d := time.Since(start); d > 5*time.Second {
		t.Error("it waited for", d)
	}
	if status := must(job.Status(within(t)))(t); status.State.Ended() {
		t.Errorf("the job has ended, too: %+v", status)
	}
}

func TestCancel(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	job := slow(t, conn, "copy")
	waiting := make(chan error)
	go func() {
		_, err := job.Wait(ctx)
		waiting <- err
	}()
	time.Sleep(20 * time.Millisecond)
	ok(t, job.Cancel(ctx))
	err := <-waiting
	is(t, err, replicant.ErrCancelled)
	var failed *replicant.JobError
	if !errors.As(err, &failed) || failed.JobID != job.ID || failed.State != replicant.JobCancelled {
		t.Errorf("%#v", err)
	}
	status := must(job.Status(ctx))(t)
	if status.State != replicant.JobCancelled || status.Finished.IsZero() {
		t.Errorf("%+v", status)
	}
	is(t, status.Err, replicant.ErrCancelled)
	refused(t, job.Cancel(ctx), replicant.CodeNoStateChange)
	refused(t, job.Pause(ctx), replicant.CodeState)
	refused(t, job.Resume(ctx), replicant.CodeState)
	refused(t, job.SetRateLimit(ctx, 0), replicant.CodeState)
	if volumes := must(job.Volumes(ctx))(t); len(volumes) != 0 {
		t.Error(volumes)
	}
	if found := must(conn.Volumes(ctx, replicant.By("name", "copy")))(t); len(found) != 0 {
		t.Error("it has left something behind:", found)
	}
	volume(t, conn, "copy", mib)
}

func TestPauseAndResume(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	job := slow(t, conn, "copy")
	refused(t, job.Resume(ctx), replicant.CodeNoStateChange)
	ok(t, job.Pause(ctx))
	until(t, "it is paused", func() bool {
		return must(job.Status(ctx))(t).State == replicant.JobPaused
	})
	refused(t, job.Pause(ctx), replicant.CodeNoStateChange)
	before := must(job.Status(ctx))(t)
	time.Sleep(50 * time.Millisecond)
	if after := must(job.Status(ctx))(t); after.BytesDone != before.BytesDone {
		t.Error("it goes on:", before.BytesDone, after.BytesDone)
	}
	ok(t, job.SetRateLimit(ctx, 0))
	ok(t, job.Resume(ctx))
	made := must(job.Wait(ctx))(t)
	same(t, "the copy", content(t, made), noise(9, 32*mib))
}

func TestRateLimit(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "a", 4*mib)
	write(t, v, noise(1, 4*mib), 0)
	start := time.Now()
	job := must(v.Copy(ctx, "limited", &replicant.ReplicateOptions{RateLimit: 8 * mib}))(t)
	must(job.Wait(ctx))(t)
	if d := time.Since(start); d < 300*time.Millisecond {
		t.Error("4 MiB at 8 MiB/s took", d)
	}

	// Taken off a job under way, it ends at once.
	job = slow(t, conn, "freed")
	refused(t, job.SetRateLimit(ctx, -1), replicant.CodeInvalidArgument)
	ok(t, job.SetRateLimit(ctx, 0))
	made := must(job.Wait(ctx))(t)
	same(t, "the copy", content(t, made), noise(9, 32*mib))
}

func TestJobGoesOnAfterReopen(t *testing.T) {
	root := t.TempDir()
	conn := reopen(t, root)
	job := slow(t, conn, "copy")
	until(t, "it has begun", func() bool {
		return must(job.Status(within(t)))(t).State == replicant.JobRunning
	})
	ok(t, conn.Close())

	conn = reopen(t, root)
	again := must(conn.Job(within(t), job.ID))(t)
	ok(t, again.SetRateLimit(within(t), 0))
	made := must(again.Wait(within(t)))(t)
	same(t, "the copy", content(t, made), noise(9, 32*mib))
}

// However many wait, they take no threads.
func TestManyWaiters(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	job := slow(t, conn, "copy")
	until(t, "it has begun", func() bool {
		return must(job.Status(ctx))(t).State == replicant.JobRunning
	})
	before := threads(t)
	var all, begun sync.WaitGroup
	for range 200 {
		all.Add(1)
		begun.Add(1)
		go func() {
			defer all.Done()
			first := true
			for p := range job.Progress(ctx) {
				if first {
					first = false
					begun.Done()
				}
				_ = p
			}
		}()
	}
	begun.Wait()
	time.Sleep(50 * time.Millisecond)
	during := threads(t)
	t.Logf("%d threads before, %d while 200 goroutines wait", before, during)
	if during > before+20 {
		t.Errorf("%d threads before, %d while 200 goroutines wait", before, during)
	}
	ok(t, job.Cancel(ctx))
	all.Wait()
}

func TestManyJobs(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	v := volume(t, conn, "a", mib)
	p := noise(1, mib)
	write(t, v, p, 0)
	var all sync.WaitGroup
	for i := range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			job, err := v.Copy(ctx, "copy "+string(rune('a'+i)), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := job.Wait(ctx); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	for _, made := range must(conn.Volumes(ctx))(t) {
		same(t, made.Name, content(t, made), p)
	}
}

func TestForgottenWhileWaitedFor(t *testing.T) {
	conn := connect(t)
	ctx := within(t)
	job := slow(t, conn, "copy")
	ended := make(chan error)
	go func() {
		_, err := job.Wait(ctx)
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	ok(t, job.Cancel(ctx))
	until(t, "it is forgotten", func() bool {
		err := job.Forget(ctx)
		return err != nil || func() bool { _, err := job.Status(ctx); return err != nil }()
	})
	// Either it saw the end, or there was no job any more.
	if err := <-ended; !errors.Is(err, replicant.ErrCancelled) && !errors.Is(err, replicant.ErrNotFound) {
		t.Error(err)
	}
}
