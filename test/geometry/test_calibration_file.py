import cv2
import numpy as np
import pytest
import yaml

from cnn_vs_ros.errors import CalibrationError
from cnn_vs_ros.geometry.calibration_file import load_calibration

# As camera_calibration writes it.
VALUES = {
    'image_width': 640,
    'image_height': 480,
    'camera_name': 'wrist',
    'camera_matrix': {'rows': 3, 'cols': 3, 'data': [601.5, 0.0, 322.25, 0.0, 602.5, 238.75, 0.0, 0.0, 1.0]},
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [-0.21, 0.05, 0.001, -0.002, 0.0]},
    'rectification_matrix': {'rows': 3, 'cols': 3, 'data': np.eye(3).ravel().tolist()},
    'projection_matrix': {'rows': 3, 'cols': 4, 'data': [0.0] * 12},
}


@pytest.mark.parametrize('prefix', ['', 'file://'])
def test_reads_the_format_of_camera_calibration(tmp_path, prefix):
    path = tmp_path / 'wrist.yaml'
    path.write_text(yaml.safe_dump(VALUES))
    camera = load_calibration(f'{prefix}{path}')
    assert camera.size == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (601.5, 602.5, 322.25, 238.75)
    assert camera.distortion == (-0.21, 0.05, 0.001, -0.002, 0.0)
    assert camera.distortion_model == 'plumb_bob'


def test_escapes_are_those_of_a_url_and_of_nothing_else(tmp_path):
    for name in ('my wrist.yaml', 'my%20wrist.yaml'):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(VALUES))
        assert load_calibration(str(path)).size == (640, 480)
    path.unlink()
    assert load_calibration(f'file://{path}').size == (640, 480)


def test_a_url_of_a_package_is_looked_for_in_the_prefixes(tmp_path, monkeypatch):
    folder = tmp_path / 'share' / 'my_cell' / 'config'
    folder.mkdir(parents=True)
    (folder / 'my wrist.yaml').write_text(yaml.safe_dump(VALUES))
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{tmp_path / "other"}:{tmp_path}')
    assert load_calibration('package://my_cell/config/my%20wrist.yaml').size == (640, 480)
    with pytest.raises(CalibrationError, match='AMENT_PREFIX_PATH but there is no your_cell'):
        load_calibration('package://your_cell/config/wrist.yaml')
    with pytest.raises(CalibrationError, match='can be read'):
        load_calibration('package://my_cell/wrist.yaml')


@pytest.mark.parametrize('fisheye', [0, 1])
def test_reads_what_opencv_writes(tmp_path, fisheye):
    path = tmp_path / 'opencv.yaml'
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in (('calibration_time', 'Thu'), ('image_width', 640), ('image_height', 480)):
        storage.write(name, value)
    storage.write('fisheye_model', fisheye)
    storage.write('camera_matrix', np.array([[601.5, 0, 322.25], [0, 602.5, 238.75], [0, 0, 1]]))
    distortion = [-0.21, 0.05, 0.001, -0.002, *([] if fisheye else [0.0])]
    storage.write('distortion_coefficients', np.array([distortion]).T)
    storage.write('avg_reprojection_error', 0.2)
    storage.release()
    assert '!!opencv-matrix' in path.read_text()
    camera = load_calibration(path)
    assert (camera.size, camera.fx, camera.cy) == ((640, 480), 601.5, 238.75)
    assert camera.distortion == pytest.approx(distortion)
    assert camera.distortion_model == ('equidistant' if fisheye else 'plumb_bob')


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'camera_matrix': None}, 'of ROS .* or of Kalibr .* but has neither'),
        ({'distortion_coefficients': None}, 'lacks it'),
        ({'camera_matrix': {'data': [0.0] * 9}}, 'calibrate the camera'),
        ({'distortion_model': 'thin_prism'}, 'distortion model should be one of'),
        ({'image_width': 'wide'}, "'image_width' should be a number from 1"),
    ],
)
def test_a_file_that_describes_no_camera_is_refused_with_a_sentence(tmp_path, change, sentence):
    path = tmp_path / 'wrist.yaml'
    path.write_text(yaml.safe_dump(VALUES | change))
    with pytest.raises(CalibrationError, match=sentence):
        load_calibration(path)


def test_a_missing_entry_or_file_or_text_that_is_no_yaml_is_said(tmp_path):
    path = tmp_path / 'wrist.yaml'
    with pytest.raises(CalibrationError, match='should be a file that can be read'):
        load_calibration(path)
    path.write_text('{')
    with pytest.raises(CalibrationError, match='cannot be parsed'):
        load_calibration(path)
    path.write_text(yaml.safe_dump({key: VALUES[key] for key in ('image_width', 'image_height')}))
    with pytest.raises(CalibrationError, match='should be a calibration of ROS'):
        load_calibration(path)


CAMCHAIN = {
    'camera_model': 'pinhole',
    'distortion_model': 'radtan',
    'intrinsics': [601.5, 602.5, 322.25, 238.75],
    'distortion_coeffs': [-0.21, 0.05, 0.001, -0.002],
    'resolution': [640, 480],
    'rostopic': '/wrist/image_raw',
    'cam_overlaps': [],
}


@pytest.mark.parametrize(('theirs', 'ours'), [('radtan', 'plumb_bob'), ('equidistant', 'equidistant')])
def test_reads_the_first_camera_of_a_camchain_of_kalibr(tmp_path, theirs, ours):
    path = tmp_path / 'camchain.yaml'
    path.write_text(yaml.safe_dump({'cam0': CAMCHAIN | {'distortion_model': theirs}}))
    camera = load_calibration(path)
    assert camera.size == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (601.5, 602.5, 322.25, 238.75)
    assert (camera.distortion, camera.distortion_model) == ((-0.21, 0.05, 0.001, -0.002), ours)


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'camera_model': 'omni'}, "should be of pinhole .* but is of 'omni' with 'radtan'"),
        ({'distortion_model': 'fov'}, "but is of 'pinhole' with 'fov'"),
        ({'intrinsics': [600.0]}, 'should have 4 intrinsics .* but has 1 and 2'),
        ({'resolution': None}, "should have the entry 'resolution'"),
    ],
)
def test_a_camchain_of_another_model_is_refused(tmp_path, change, sentence):
    path = tmp_path / 'camchain.yaml'
    path.write_text(yaml.safe_dump({'cam0': CAMCHAIN | change}))
    with pytest.raises(CalibrationError, match=sentence):
        load_calibration(path)
