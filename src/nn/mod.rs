//! Network blocks: what the models are made of. Tensors are `[batch, channels, height, width]`.

pub mod adam;
pub mod batch;
mod block_product;
mod conv_geometry;
pub mod conv_kernel;
pub mod convolution;
pub mod device;
pub mod discriminator;
pub mod edges;
pub mod ema;
mod flex;
pub mod generator;
pub mod gradient_clip;
pub mod image_pool;
pub mod init;
pub mod instance_norm;
pub mod kid;
pub mod losses;
pub mod norm;
mod norm_kernel;
pub mod resnet_generator;
pub mod spectral_norm;
mod transpose;
pub mod unet_generator;
mod vectorised;
mod weight_update;
pub mod workers;
