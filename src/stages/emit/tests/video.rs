//! Clips as MP4s, where ffmpeg is installed.

use super::*;
use crate::stage::Stage;

#[test]
fn every_clip_is_a_video_where_ffmpeg_is_and_without_it_nothing_runs() {
    let config: Emit = toml::from_str("video_fps = 12.5").unwrap();
    if let Err(misfit) = config.check_files(&Givens::default()) {
        assert!(misfit.problem.starts_with("`video_fps`"), "{misfit:?}");
        assert!(misfit.remedy.contains("install ffmpeg"), "{misfit:?}");
        println!("skipped: ffmpeg is not installed");
        return;
    }
    let mut samples = samples();
    for sample in &mut samples[..8] {
        sample.provenance.origin = format!("render-{:06}", sample.index / 4 * 4);
        for (number, object) in sample.labels.objects_mut().iter_mut().enumerate() {
            object.track = Some(format!("{}/{number}", sample.provenance.origin));
        }
    }
    let made = [(); 2].map(|()| {
        let out = tempfile::tempdir().unwrap();
        emit("video_fps = 12.5", &samples, 5, out.path()).unwrap();
        let videos = artifact::walk(&out.path().join("videos")).unwrap();
        let names = videos
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
        let names: Vec<String> = names.collect();
        assert_eq!(names, ["split-000000.mp4", "split-000004.mp4"]);
        videos
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(made[0], made[1]);
    // The second box of an MP4 says how its tracks are to be played; the first one what it is.
    assert!(
        made[0]
            .iter()
            .all(|bytes| &bytes[4..8] == b"ftyp" && bytes.len() > 500)
    );
}

#[test]
fn a_rate_that_no_video_has_is_refused() {
    let config: Emit = toml::from_str("video_fps = 0.0").unwrap();
    assert!(config.check().unwrap_err().contains("`video_fps`"));
}
