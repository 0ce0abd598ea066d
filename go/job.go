// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"iter"
	"time"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// Progress is how far a job is.
type Progress struct {
	State          JobState
	Percent        int   // never goes back; 100 only when done
	BytesTotal     int64 // what the job has to look at; 0: not known
	BytesDone      int64 // what is behind it: copied and skipped
	BytesCopied    int64
	BytesSkipped   int64 // what needed no copying: holes, zeros, equal data
	BytesPerSecond int64
	ETA            time.Duration // how long it will still take; negative: not known
}

// JobStatus is a job as it was when it was read.
type JobStatus struct {
	Progress
	ID             string // "" for what was done at once, without a job
	Key            string // the idempotency key; "": none
	Kind           JobKind
	SourceVolumeID string
	TargetVolumeID string
	Created        time.Time
	Started        time.Time // zero: not yet
	Finished       time.Time // zero: not yet
	Message        string    // what it waits for, or why it failed
	Err            error     // an *Error, once it failed or was cancelled
}

// A Job is work that takes time: as it was when it was started or listed, and what can be done to
// it. It belongs to the root, or the array: it goes on when the connection is closed, and after a
// restart.
type Job struct {
	JobStatus

	conn *Conn
	made []*Volume // of what was done at once
}

func newJobStatus(h creplicant.Job) JobStatus {
	s := JobStatus{
		Progress: Progress{
			State:          JobState(creplicant.Job_state_get(h)),
			Percent:        int(creplicant.Job_percent_get(h)),
			BytesTotal:     signed(creplicant.Job_bytes_total_get(h)),
			BytesDone:      signed(creplicant.Job_bytes_done_get(h)),
			BytesCopied:    signed(creplicant.Job_bytes_copied_get(h)),
			BytesSkipped:   signed(creplicant.Job_bytes_skipped_get(h)),
			BytesPerSecond: signed(creplicant.Job_bytes_per_second_get(h)),
			ETA:            -1,
		},
		ID:             creplicant.Job_id_get(h),
		Key:            creplicant.Job_key_get(h),
		Kind:           JobKind(creplicant.Job_kind_get(h)),
		SourceVolumeID: creplicant.Job_source_volume_id_get(h),
		TargetVolumeID: creplicant.Job_target_volume_id_get(h),
		Created:        instant(creplicant.Job_created_ms_get(h)),
		Started:        instant(creplicant.Job_started_ms_get(h)),
		Finished:       instant(creplicant.Job_finished_ms_get(h)),
		Message:        creplicant.Job_error_message_get(h),
	}
	if eta := creplicant.Job_eta_ms_get(h); eta != ^uint64(0) {
		s.ETA = duration(eta)
	}
	code := ErrorCode(creplicant.Job_error_number_get(h))
	switch {
	case s.State == JobCancelled:
		s.Err = refusal(CodeCancelled, s.ID, "it was cancelled")
	case code != creplicant.ERR_OK:
		s.Err = refusal(code, s.ID, "%s", s.Message)
	case s.State == JobFailed:
		s.Err = refusal(CodePluginBug, s.ID, "it failed, and the backend gives no reason")
	}
	return s
}

// job is what a call has started, or what it has done at once.
func (c *Conn) job(ctx context.Context, id string, made ...*Volume) *Job {
	if id == "" {
		return &Job{JobStatus: JobStatus{Progress: Progress{State: JobDone, Percent: 100}}, conn: c, made: made}
	}
	// The work has begun: so a failure to answer this must not look like one of the work.
	status, err := c.jobStatus(context.WithoutCancel(ctx), id)
	if err != nil {
		status = JobStatus{Progress: Progress{State: JobUnknown, ETA: -1}, ID: id}
	}
	return &Job{JobStatus: status, conn: c}
}

// Jobs lists jobs, those that have ended included: all, or those that every search finds.
//
// C: lsm_job_list.
func (c *Conn) Jobs(ctx context.Context, searches ...Search) ([]*Job, error) {
	return listed(searches, func(j *Job) string { return j.ID }, func(s Search) ([]*Job, error) {
		var records []creplicant.Job
		err := c.do(ctx, func(h creplicant.Connect) error {
			return creplicant.Job_list(h, s.Key, s.Value, &records)
		})
		return each(records, func(h creplicant.Job) *Job {
			defer creplicant.Job_record_free(h)
			return &Job{JobStatus: newJobStatus(h), conn: c}
		}), err
	})
}

// Job finds a job by its id.
func (c *Conn) Job(ctx context.Context, id string) (*Job, error) {
	status, err := c.jobStatus(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Job{JobStatus: status, conn: c}, nil
}

func (c *Conn) jobStatus(ctx context.Context, id string) (status JobStatus, err error) {
	err = c.do(ctx, func(h creplicant.Connect) error {
		var r creplicant.Job
		if err := creplicant.Job_get(h, id, &r); err != nil {
			return err
		}
		defer creplicant.Job_record_free(r)
		status = newJobStatus(r)
		return nil
	})
	return status, err
}

// Status reads the job as it is now.
//
// C: lsm_job_get, lsm_job_id_get, lsm_job_key_get, lsm_job_kind_get, lsm_job_state_get,
// lsm_job_percent_get, lsm_job_bytes_total_get, lsm_job_bytes_done_get, lsm_job_bytes_copied_get,
// lsm_job_bytes_skipped_get, lsm_job_bytes_per_second_get, lsm_job_eta_ms_get,
// lsm_job_source_volume_id_get, lsm_job_target_volume_id_get, lsm_job_created_ms_get,
// lsm_job_started_ms_get, lsm_job_finished_ms_get, lsm_job_error_number_get,
// lsm_job_error_message_get, lsm_job_record_free.
func (j *Job) Status(ctx context.Context) (JobStatus, error) {
	if j.ID == "" {
		return j.JobStatus, ctx.Err()
	}
	return j.conn.jobStatus(ctx, j.ID)
}

// changes yields the job as it is, and again whenever something has happened to it; last when it
// has ended, or with an error.
func (j *Job) changes(ctx context.Context) iter.Seq2[JobStatus, error] {
	return func(yield func(JobStatus, error) bool) {
		if j.ID == "" {
			yield(j.JobStatus, nil)
			return
		}
		w, err := j.conn.watch(ctx, j.ID)
		if err != nil {
			yield(JobStatus{}, err)
			return
		}
		defer w.stop()
		for {
			status, err := j.Status(ctx)
			if !yield(status, err) || err != nil || status.State.Ended() {
				return
			}
			if err := w.wait(ctx); err != nil {
				yield(JobStatus{}, err)
				return
			}
		}
	}
}

// Wait waits until the job has ended, and returns the volume that it has made: nil where it makes
// none. A job that failed or was cancelled is a *JobError. When ctx ends, the waiting does, with
// ctx's error; the job goes on. A goroutine that waits takes no thread.
func (j *Job) Wait(ctx context.Context) (*Volume, error) {
	for status, err := range j.changes(ctx) {
		switch {
		case err != nil:
			return nil, err
		case status.State == JobDone:
			volumes, err := j.Volumes(ctx)
			if err != nil || len(volumes) == 0 {
				return nil, err
			}
			return volumes[0], nil
		case status.State.Ended():
			return nil, &JobError{JobID: j.ID, State: status.State, Err: status.Err}
		}
	}
	return nil, invalid("not a job that a connection has returned")
}

// Volumes lists what the job has made: several for a group, none before it is done.
//
// C: lsm_job_volume_list.
func (j *Job) Volumes(ctx context.Context) ([]*Volume, error) {
	if j.ID == "" {
		return j.made, ctx.Err()
	}
	var records []creplicant.Volume
	err := j.conn.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Job_volume_list(h, j.ID, &records)
	})
	return each(records, j.conn.newVolume), err
}

// Progress tells how far the job is: now, and at each change. It ends when the job does, when ctx
// does, or when the job can no longer be read; Wait says which.
func (j *Job) Progress(ctx context.Context) iter.Seq[Progress] {
	return func(yield func(Progress) bool) {
		var last Progress
		for status, err := range j.changes(ctx) {
			if err != nil {
				return
			}
			if status.Progress != last && !yield(status.Progress) {
				return
			}
			last = status.Progress
		}
	}
}

// verb does one thing to the job. What was done at once answers as an ended job does.
func (j *Job) verb(ctx context.Context, ended ErrorCode, call func(h creplicant.Connect) error) error {
	if j.ID != "" {
		return j.conn.do(ctx, call)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return refusal(ended, "", "it was done at once, there is no job")
}

// Cancel ends the job; what it has made so far goes. That takes a moment: Wait sees it.
//
// C: lsm_job_cancel.
func (j *Job) Cancel(ctx context.Context) error {
	return j.verb(ctx, CodeNoStateChange, func(h creplicant.Connect) error {
		return creplicant.Job_cancel(h, j.ID)
	})
}

// Pause stops the job at its next checkpoint. It stays so over a restart.
//
// C: lsm_job_pause.
func (j *Job) Pause(ctx context.Context) error {
	return j.verb(ctx, CodeState, func(h creplicant.Connect) error {
		return creplicant.Job_pause(h, j.ID)
	})
}

// Resume lets a paused job go on.
//
// C: lsm_job_resume.
func (j *Job) Resume(ctx context.Context) error {
	return j.verb(ctx, CodeState, func(h creplicant.Connect) error {
		return creplicant.Job_resume(h, j.ID)
	})
}

// SetRateLimit bounds how many bytes a second the job copies from now on; 0: no bound.
//
// C: lsm_job_rate_limit_set.
func (j *Job) SetRateLimit(ctx context.Context, bytesPerSecond int64) error {
	rate, err := unsigned("the rate limit", bytesPerSecond)
	if err != nil {
		return err
	}
	return j.verb(ctx, CodeState, func(h creplicant.Connect) error {
		return creplicant.Job_rate_limit_set(h, j.ID, rate)
	})
}

// Forget removes an ended job from the list. A job that has not ended goes on, and stays.
//
// C: lsm_job_free.
func (j *Job) Forget(ctx context.Context) error {
	if j.ID == "" {
		return ctx.Err()
	}
	return j.conn.do(ctx, func(h creplicant.Connect) error { return creplicant.Job_forget(h, j.ID) })
}
