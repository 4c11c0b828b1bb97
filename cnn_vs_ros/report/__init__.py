"""What a run leaves behind: a folder with summary, trajectory, report picture and video."""

from cnn_vs_ros.report.figure import draw_report
from cnn_vs_ros.report.folder import RunFolder, new_folder
from cnn_vs_ros.report.page import write_page
from cnn_vs_ros.report.progress import ProgressLine
from cnn_vs_ros.report.results import write_run
from cnn_vs_ros.report.video import write_video

__all__ = ['ProgressLine', 'RunFolder', 'draw_report', 'new_folder', 'write_page', 'write_run', 'write_video']
