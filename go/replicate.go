// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"runtime"
	"time"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// OnDemand, as an interval, ships only when Replication.Sync asks for it.
const OnDemand time.Duration = -1

// ReplicateOptions are wishes about a replicant. The zero value has none.
type ReplicateOptions struct {
	Pool          string            // where it goes, by name or id; "": where the source is
	Key           string            // makes the call safe to repeat: the same key, the same job or volume
	Interval      time.Duration     // MirrorAsync: how often; 0: every minute; OnDemand
	RateLimit     int64             // bytes per second at most; 0: no bound
	Verify        VerifyMode        // what a job does before it is done
	OnTargetError TargetErrorPolicy // MirrorSync: what becomes of a write that the target cannot take
}

// record is the options for C, to be freed.
//
// C: lsm_replicate_options_alloc, lsm_replicate_options_key_set, lsm_replicate_options_interval_set,
// lsm_replicate_options_rate_limit_set, lsm_replicate_options_verify_set,
// lsm_replicate_options_on_target_error_set, lsm_replicate_options_free.
func (o *ReplicateOptions) record() (creplicant.ReplicateOptions, error) {
	rate, err := unsigned("the rate limit", o.RateLimit)
	if err != nil {
		return 0, err
	}
	c := creplicant.Replicate_options_alloc()
	if c == 0 {
		return 0, refusal(CodeNoMemory, "", "memory is exhausted")
	}
	set := func(what string, wished bool, call func() error) {
		if err == nil && wished && call() != nil {
			err = invalid("the %s is not one that is allowed", what)
		}
	}
	set("idempotency key", o.Key != "", func() error { return creplicant.Replicate_options_key_set(c, o.Key) })
	set("interval", o.Interval != 0, func() error {
		return creplicant.Replicate_options_interval_set(c, milliseconds(o.Interval))
	})
	set("rate limit", true, func() error { return creplicant.Replicate_options_rate_limit_set(c, rate) })
	set("verify mode", true, func() error { return creplicant.Replicate_options_verify_set(c, int32(o.Verify)) })
	set("policy for target errors", true, func() error {
		return creplicant.Replicate_options_on_target_error_set(c, int32(o.OnTargetError))
	})
	if err != nil {
		creplicant.Replicate_options_free(c)
		return 0, err
	}
	return c, nil
}

// replicate resolves the options and makes the call with them.
func (c *Conn) replicate(ctx context.Context, opts *ReplicateOptions,
	call func(h creplicant.Connect, pool creplicant.Pool, options creplicant.ReplicateOptions) error) error {
	if opts == nil {
		opts = &ReplicateOptions{}
	}
	options, err := opts.record()
	if err != nil {
		return err
	}
	defer creplicant.Replicate_options_free(options)
	pool := &Pool{}
	if opts.Pool != "" {
		if pool, err = c.Pool(ctx, opts.Pool); err != nil {
			return err
		}
	}
	defer runtime.KeepAlive(pool.record)
	return c.do(ctx, func(h creplicant.Connect) error { return call(h, pool.record.get(), options) })
}

// Replicate makes one volume two. It returns a job in any case; of what was made at once, as a
// Clone is, the job is done already.
//
// C: lsm_volume_replicate_with.
func (v *Volume) Replicate(ctx context.Context, t ReplicationType, name string, opts *ReplicateOptions) (*Job, error) {
	var made creplicant.Volume
	var job string
	err := v.conn.replicate(ctx, opts,
		func(h creplicant.Connect, pool creplicant.Pool, options creplicant.ReplicateOptions) error {
			return creplicant.Volume_replicate_with(h, pool, int32(t), v.record.get(), name, options, &made, &job)
		})
	runtime.KeepAlive(v.record)
	switch {
	case err != nil:
		return nil, err
	case made != 0:
		return v.conn.job(ctx, "", v.conn.newVolume(made)), nil
	default:
		return v.conn.job(ctx, job), nil
	}
}

// Clone makes a clone: the instant of the call, at once, at any size; both can be written.
func (v *Volume) Clone(ctx context.Context, name string) (*Volume, error) {
	job, err := v.Replicate(ctx, Clone, name, nil)
	if err != nil {
		return nil, err
	}
	return job.Wait(ctx)
}

// Copy makes a copy of the instant of the call; the source may be written meanwhile.
func (v *Volume) Copy(ctx context.Context, name string, opts *ReplicateOptions) (*Job, error) {
	return v.Replicate(ctx, Copy, name, opts)
}

// Mirror makes a mirror, MirrorSync or MirrorAsync. Its target is filled by a job;
// Replication.WaitInSync waits for it.
func (v *Volume) Mirror(ctx context.Context, t ReplicationType, name string, opts *ReplicateOptions) (*Replication, error) {
	if t != MirrorSync && t != MirrorAsync {
		return nil, invalid("a %v is no mirror", t)
	}
	job, err := v.Replicate(ctx, t, name, opts)
	if err != nil {
		return nil, err
	}
	target := job.TargetVolumeID
	if len(job.made) > 0 {
		target = job.made[0].ID
	}
	found, err := v.conn.Replications(ctx, By("target_volume_id", target))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, refusal(CodeNotFoundReplication, target, "the mirror's replication has ended already")
	}
	return found[0], nil
}

// A GroupMember is a source, and the name of its replicant.
type GroupMember struct {
	Source *Volume
	Name   string
}

// ReplicateGroup replicates several volumes of one pool at one instant, all or none. One job does
// the work; Job.Volumes has the replicants, in the same order. Mirrors form a group: what is done to
// one, or fails at one, happens to all of them at one instant.
//
// C: lsm_volume_group_replicate.
func (c *Conn) ReplicateGroup(ctx context.Context, t ReplicationType, members []GroupMember, opts *ReplicateOptions) (*Job, error) {
	group := make([]creplicant.GroupMember, len(members))
	for i, m := range members {
		if m.Source == nil {
			return nil, invalid("member %d has no source", i)
		}
		group[i] = creplicant.GroupMember{Source: m.Source.record.get(), Name: m.Name}
	}
	var made []creplicant.Volume
	var job string
	err := c.replicate(ctx, opts,
		func(h creplicant.Connect, pool creplicant.Pool, options creplicant.ReplicateOptions) (err error) {
			made, job, err = creplicant.Volume_group_replicate(h, pool, int32(t), group, options)
			return err
		})
	runtime.KeepAlive(members)
	if err != nil {
		return nil, err
	}
	return c.job(ctx, job, each(made, c.newVolume)...), nil
}

// A BlockRange says which blocks go where. Conn.RangeBlockSize tells a block's size.
type BlockRange struct{ SourceStart, TargetStart, Blocks int64 }

// ReplicateRange replicates ranges of blocks into another volume, or within one, as a Clone or a
// Copy. The target's other blocks are not touched.
//
// C: lsm_volume_replicate_range, lsm_block_range_record_array_alloc, lsm_block_range_record_alloc,
// lsm_block_range_record_array_free.
func (v *Volume) ReplicateRange(ctx context.Context, t ReplicationType, target *Volume, ranges []BlockRange) (*Job, error) {
	if target == nil {
		return nil, invalid("no target was given")
	}
	numbers := make([][3]uint64, len(ranges))
	for i, r := range ranges {
		for j, n := range []int64{r.SourceStart, r.TargetStart, r.Blocks} {
			var err error
			if numbers[i][j], err = unsigned("a number of a range", n); err != nil {
				return nil, err
			}
		}
	}
	var job string
	err := v.do(ctx, func(h creplicant.Connect, source creplicant.Volume) (err error) {
		job, err = creplicant.Volume_replicate_range(h, int32(t), source, target.record.get(), numbers)
		runtime.KeepAlive(target.record)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v.conn.job(ctx, job), nil
}
