// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"time"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// A Replication ties a mirror's target to its source: as it was when it was read, and what can be
// done to it. Of a group, each verb acts on all members, at one instant.
//
// C: lsm_replication_id_get, lsm_replication_type_get, lsm_replication_state_get,
// lsm_replication_source_volume_id_get, lsm_replication_target_volume_id_get,
// lsm_replication_group_id_get, lsm_replication_generation_get, lsm_replication_lag_bytes_get,
// lsm_replication_lag_ms_get, lsm_replication_last_sync_ms_get,
// lsm_replication_last_sync_bytes_get, lsm_replication_last_sync_duration_ms_get,
// lsm_replication_interval_ms_get, lsm_replication_job_id_get,
// lsm_replication_diverged_volume_id_get, lsm_replication_error_number_get,
// lsm_replication_error_message_get, lsm_replication_record_free.
type Replication struct {
	ID               string
	Type             ReplicationType // MirrorSync or MirrorAsync
	State            ReplicationState
	SourceVolumeID   string
	TargetVolumeID   string
	GroupID          string        // "": it stands alone
	Generation       string        // the last instant that both sides have
	LagBytes         int64         // written since
	Lag              time.Duration // how old the oldest of those writes is
	LastSync         time.Time     // zero: never
	LastSyncBytes    int64
	LastSyncDuration time.Duration
	Interval         time.Duration // 0: only when asked, or MirrorSync
	JobID            string        // the job that works for it now; "": none
	DivergedVolumeID string        // the clone that kept what was rewound; "": none
	Err              error         // an *Error: why it is degraded or broken

	conn *Conn
}

func (c *Conn) newReplication(h creplicant.Replication) *Replication {
	defer creplicant.Replication_record_free(h)
	r := &Replication{
		ID:               creplicant.Replication_id_get(h),
		Type:             ReplicationType(creplicant.Replication_type_get(h)),
		State:            ReplicationState(creplicant.Replication_state_get(h)),
		SourceVolumeID:   creplicant.Replication_source_volume_id_get(h),
		TargetVolumeID:   creplicant.Replication_target_volume_id_get(h),
		GroupID:          creplicant.Replication_group_id_get(h),
		Generation:       creplicant.Replication_generation_get(h),
		LagBytes:         signed(creplicant.Replication_lag_bytes_get(h)),
		Lag:              duration(creplicant.Replication_lag_ms_get(h)),
		LastSync:         instant(creplicant.Replication_last_sync_ms_get(h)),
		LastSyncBytes:    signed(creplicant.Replication_last_sync_bytes_get(h)),
		LastSyncDuration: duration(creplicant.Replication_last_sync_duration_ms_get(h)),
		Interval:         duration(uint64(creplicant.Replication_interval_ms_get(h))),
		JobID:            creplicant.Replication_job_id_get(h),
		DivergedVolumeID: creplicant.Replication_diverged_volume_id_get(h),
		conn:             c,
	}
	if code := ErrorCode(creplicant.Replication_error_number_get(h)); code != creplicant.ERR_OK {
		r.Err = refusal(code, r.ID, "%s", creplicant.Replication_error_message_get(h))
	}
	return r
}

// A Flag changes what a verb of a replication does.
type Flag uint64

const (
	// Force makes Promote a failover, and Resume copy everything again where it must.
	Force Flag = creplicant.REPLICATION_FORCE
	// Discard lets Reverse and Resume not keep what they rewind.
	Discard Flag = creplicant.REPLICATION_DISCARD
)

func joined(flags []Flag) (all uint64) {
	for _, f := range flags {
		all |= uint64(f)
	}
	return all
}

// Replications lists replications: all, or those that every search finds.
//
// C: lsm_replication_list.
func (c *Conn) Replications(ctx context.Context, searches ...Search) ([]*Replication, error) {
	return listed(searches, func(r *Replication) string { return r.ID }, func(s Search) ([]*Replication, error) {
		var records []creplicant.Replication
		err := c.do(ctx, func(h creplicant.Connect) error {
			return creplicant.Replication_list(h, s.Key, s.Value, &records, creplicant.CLIENT_FLAG_RSVD)
		})
		return each(records, c.newReplication), err
	})
}

// Replication finds a replication by its id.
//
// C: lsm_replication_get.
func (c *Conn) Replication(ctx context.Context, id string) (*Replication, error) {
	var found creplicant.Replication
	err := c.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Replication_get(h, id, &found, creplicant.CLIENT_FLAG_RSVD)
	})
	if err != nil {
		return nil, err
	}
	return c.newReplication(found), nil
}

// Current is the replication as it is now.
func (r *Replication) Current(ctx context.Context) (*Replication, error) {
	return r.conn.Replication(ctx, r.ID)
}

// WaitInSync waits until the target has caught up for the first time, or again. A replication that
// cannot get there by itself, since it is paused, split or broken, is ErrState.
func (r *Replication) WaitInSync(ctx context.Context) (*Replication, error) {
	w, err := r.conn.watch(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	for {
		now, err := r.Current(ctx)
		switch {
		case err != nil:
			return nil, err
		case now.State == ReplicationInSync:
			return now, nil
		case now.State == ReplicationPaused, now.State == ReplicationSplit, now.State == ReplicationBroken:
			return nil, refusal(CodeState, r.ID, "replication %s is %v", r.ID, now.State)
		}
		if err := w.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// started is the job of a verb, done already where there was nothing to wait for.
func (r *Replication) started(ctx context.Context, call func(h creplicant.Connect, job *string) error) (*Job, error) {
	var job string
	err := r.conn.do(ctx, func(h creplicant.Connect) error { return call(h, &job) })
	if err != nil {
		return nil, err
	}
	return r.conn.job(ctx, job), nil
}

// Sync brings the target up to date: when the job is done, it has all that was acknowledged before
// this call. ErrNoChange: it has it already.
//
// C: lsm_replication_sync.
func (r *Replication) Sync(ctx context.Context) (*Job, error) {
	return r.started(ctx, func(h creplicant.Connect, job *string) error {
		return creplicant.Replication_sync(h, r.ID, job, creplicant.CLIENT_FLAG_RSVD)
	})
}

// Pause stops sending to the target, until it is resumed.
//
// C: lsm_replication_pause.
func (r *Replication) Pause(ctx context.Context) error {
	return r.conn.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Replication_pause(h, r.ID, creplicant.CLIENT_FLAG_RSVD)
	})
}

// Resume goes on after a pause, or goes back to the original direction after a forced promotion.
// What the target's users wrote after that is kept as a clone, unless Discard says not to. Force
// copies everything again where it is broken, since no common instant is left: it is initializing
// then, and what the target had is kept as well.
//
// C: lsm_replication_resume.
func (r *Replication) Resume(ctx context.Context, flags ...Flag) error {
	return r.conn.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Replication_resume(h, r.ID, joined(flags))
	})
}

// SetInterval sets how often a MirrorAsync brings a new instant to its target; 0 or OnDemand: only
// when Sync asks for it.
//
// C: lsm_replication_interval_set.
func (r *Replication) SetInterval(ctx context.Context, interval time.Duration) error {
	return r.conn.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Replication_interval_set(h, r.ID, milliseconds(interval), creplicant.CLIENT_FLAG_RSVD)
	})
}

// Promote makes the target writable. Without a flag it is a planned switchover: what is missing is
// shipped, then the two exchange roles. With Force it is a failover: the two are split.
//
// C: lsm_replication_promote.
func (r *Replication) Promote(ctx context.Context, flags ...Flag) (*Job, error) {
	return r.started(ctx, func(h creplicant.Connect, job *string) error {
		return creplicant.Replication_promote(h, r.ID, job, joined(flags))
	})
}

// Reverse fails back: after a split the old source becomes the target. What its own users wrote
// after the split is kept as a clone, unless Discard says not to.
//
// C: lsm_replication_reverse.
func (r *Replication) Reverse(ctx context.Context, flags ...Flag) (*Job, error) {
	return r.started(ctx, func(h creplicant.Connect, job *string) error {
		return creplicant.Replication_reverse(h, r.ID, job, joined(flags))
	})
}

// Break ends the relation. Both volumes stay, writable and independent.
//
// C: lsm_replication_break.
func (r *Replication) Break(ctx context.Context) error {
	return r.conn.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Replication_break(h, r.ID, creplicant.CLIENT_FLAG_RSVD)
	})
}
