//! Transposition of matrices inside larger arrays.

/// `to[j][i]` = `from[i][j]` for `rows` × `columns` numbers of `from`; each side has its own
/// distance between rows.
///
/// # Panics
/// Where a side is too short.
pub(super) fn transpose(
    from: &[f32],
    [rows, columns]: [usize; 2],
    from_stride: usize,
    to: &mut [f32],
    to_stride: usize,
) {
    // Squares of four, which compile to shuffles of registers; then what is left.
    let (whole_rows, whole_columns) = (rows & !3, columns & !3);
    for i in (0..whole_rows).step_by(4) {
        for j in (0..whole_columns).step_by(4) {
            let square: [[f32; 4]; 4] = std::array::from_fn(|k| {
                let line = &from[(i + k) * from_stride + j..][..4];
                [line[0], line[1], line[2], line[3]]
            });
            for k in 0..4 {
                let line = [square[0][k], square[1][k], square[2][k], square[3][k]];
                to[(j + k) * to_stride + i..][..4].copy_from_slice(&line);
            }
        }
    }
    for i in 0..rows {
        let start = if i < whole_rows { whole_columns } else { 0 };
        for j in start..columns {
            to[j * to_stride + i] = from[i * from_stride + j];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns) in [(1, 1), (4, 8), (5, 7), (9, 3)] {
            let from: Vec<f32> = (0..rows * (columns + 2)).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * (rows + 1)];
            transpose(&from, [rows, columns], columns + 2, &mut to, rows + 1);
            for i in 0..rows {
                for j in 0..columns {
                    assert_eq!(to[j * (rows + 1) + i], from[i * (columns + 2) + j]);
                }
            }
            assert!((0..columns).all(|j| to[j * (rows + 1) + rows] == -1.0));
        }
    }
}
