//! Network blocks: what the models are made of. Tensors are `[batch, channels, height, width]`.

pub mod adam;
pub mod batch;
mod block_product;
mod conv_geometry;
pub mod conv_kernel;
pub mod convolution;
pub mod device;
pub mod ema;
mod flex;
pub mod image_pool;
pub mod init;
pub mod instance_norm;
pub mod losses;
mod norm_kernel;
pub mod patch_discriminator;
pub mod resnet_generator;
mod transpose;
mod vectorised;
mod weight_update;
pub mod workers;
