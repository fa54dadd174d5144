//! `time_bucket(width, time)`: the start of the bucket that a time falls into, `time_bucket('5 minutes', ts)`.
//!
//! Buckets of weeks, days and below are counted from Monday, 3 January 2000, 00:00 UTC, so that weeks begin on Mondays;
//! buckets of months and years from 1 January 2000. A width is either months and years or less than those, as months
//! differ in length; it is a constant.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, PrimitiveArray},
    datatypes::{DataType, IntervalMonthDayNano, TimestampNanosecondType},
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
    scalar::ScalarValue,
};

use super::{Function, Gives, Takes, argument, map};
use crate::SqlError;

pub(super) static TIME_BUCKET: Function = Function {
    name: "time_bucket",
    takes: &[Takes::Interval, Takes::Time],
    gives: Gives::Argument(1),
    monotonic_in: Some(1),
    run,
};

const DAY_NS: i64 = 86_400_000_000_000;

/// 3 January 2000, a Monday, in days since the epoch.
const ORIGIN_DAYS: i64 = 10_959;

/// January 2000 in months since January 1970.
const ORIGIN_MONTHS: i64 = 360;

/// A bucket's width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Nanoseconds(i64),
    Months(i64),
}

impl Width {
    fn of(interval: IntervalMonthDayNano) -> Result<Width, SqlError> {
        let invalid = |message: &str| SqlError::new("22023", message);
        let days_ns = i64::from(interval.days).checked_mul(DAY_NS);
        let ns = days_ns.and_then(|d| d.checked_add(interval.nanoseconds));
        match (interval.months, ns) {
            (0, Some(ns)) if ns > 0 => Ok(Width::Nanoseconds(ns)),
            (months, Some(0)) if months > 0 => Ok(Width::Months(i64::from(months))),
            (0, _) => Err(invalid("time_bucket needs a width above zero")),
            _ => Err(invalid("time_bucket cannot mix months with days or hours")),
        }
    }

    /// Start of the bucket of `ts_ns`; `None` before the earliest time there is.
    fn start(self, ts_ns: i64) -> Option<i64> {
        match self {
            Width::Nanoseconds(width) => {
                let origin = ORIGIN_DAYS * DAY_NS;
                let into =
                    i64::try_from((i128::from(ts_ns) - i128::from(origin)).rem_euclid(i128::from(width))).ok()?;
                ts_ns.checked_sub(into)
            }
            Width::Months(width) => {
                let month = months_since_epoch(ts_ns.div_euclid(DAY_NS)) - ORIGIN_MONTHS;
                let start = month.div_euclid(width).checked_mul(width)? + ORIGIN_MONTHS;
                days_since_epoch(start).checked_mul(DAY_NS)
            }
        }
    }
}

/// Months from January 1970 to the month of a day, proleptic Gregorian.
fn months_since_epoch(days: i64) -> i64 {
    // Years begin in March here, so that the leap day is a year's last: each 400 of them have 146 097 days.
    let day = days + 719_468; // from 1 March of year 0
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    (era * 400 + year_of_era) * 12 + month_from_march + 2 - 1970 * 12
}

/// The first day of a month, in days since the epoch.
fn days_since_epoch(months: i64) -> i64 {
    let from_march = months + 1970 * 12 - 2;
    let (year, month) = (from_march.div_euclid(12), from_march.rem_euclid(12));
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn run(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let width = match argument(args, 0)? {
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval))) => Width::of(*interval)?,
        ColumnarValue::Scalar(_) => return Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_type())?)),
        ColumnarValue::Array(_) => {
            return Err(SqlError::new("0A000", "time_bucket needs a constant width").into());
        }
    };
    map(argument(args, 1)?, |array| {
        let times = array.as_primitive::<TimestampNanosecondType>();
        let starts: PrimitiveArray<TimestampNanosecondType> = match width {
            // Whole buckets of a width that divides the origin: the common case, one division a row.
            Width::Nanoseconds(ns) if (ORIGIN_DAYS * DAY_NS) % ns == 0 => {
                times.unary_opt(|t| t.checked_sub(t.rem_euclid(ns)))
            }
            _ => times.unary_opt(|t| width.start(t)),
        };
        let DataType::Timestamp(_, zone) = array.data_type() else { return Ok(Arc::new(starts) as ArrayRef) };
        Ok(Arc::new(starts.with_timezone_opt(zone.clone())) as ArrayRef)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: i64 = 3_600_000_000_000;

    fn width(months: i32, days: i32, nanoseconds: i64) -> Result<Width, SqlError> {
        Width::of(IntervalMonthDayNano { months, days, nanoseconds })
    }

    #[test]
    fn weeks_begin_on_mondays_and_before_the_origin_too() {
        let week = width(0, 7, 0).unwrap();
        let monday = 20_409 * DAY_NS; // 17 November 2025
        assert_eq!(week.start(monday + 5 * DAY_NS), Some(monday));
        assert_eq!(week.start(monday), Some(monday));
        assert_eq!(week.start(0), Some(-3 * DAY_NS)); // 1 January 1970 was a Thursday
    }

    #[test]
    fn months_and_years_follow_the_calendar() {
        for (days, months) in [(0, 0), (31, 1), (-1, -1), (20_409, 670), (10_957, 360), (11_016, 361), (11_017, 362)] {
            assert_eq!(months_since_epoch(days), months, "day {days}");
        }
        for months in -2000..2000 {
            let first = days_since_epoch(months);
            assert_eq!(months_since_epoch(first), months);
            assert_eq!(months_since_epoch(first - 1), months - 1);
        }
        assert_eq!(width(12, 0, 0).unwrap().start(20_409 * DAY_NS), Some(20_089 * DAY_NS)); // 1 January 2025
    }

    #[test]
    fn widths_that_make_no_sense_are_refused() {
        assert_eq!(width(0, 0, 0).unwrap_err().message, "time_bucket needs a width above zero");
        assert_eq!(width(0, 0, -HOUR_NS).unwrap_err().sqlstate, "22023");
        assert_eq!(width(1, 1, 0).unwrap_err().message, "time_bucket cannot mix months with days or hours");
    }

    #[test]
    fn the_earliest_time_has_no_bucket_rather_than_a_wrong_one() {
        assert_eq!(width(0, 0, HOUR_NS).unwrap().start(i64::MIN), None);
    }
}
